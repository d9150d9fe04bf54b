// The syntax of the command line, of which each subject has a file of its own (*-commands.ts). commander is imported
// here and nowhere else.
import { Command, CommanderError } from "commander";

export type { Command };

/** To be called with the exit code of the command that was run. */
export type Exit = (code: number) => void;

export interface ConfigOption {
  readonly config?: string;
}

export const CONFIG_OPTION = ["--config <file>", "TOML file; MAILONCE_CONFIG names one otherwise"] as const;

export const createProgram = (description: string, version: string): Command =>
  new Command("mailonce").description(description).version(version).showHelpAfterError().exitOverride();

/** The exit code of what commander rejected with: it has printed help, version or what is wrong with the command line. */
export const exitOfSyntax = (error: unknown): { readonly isFault: boolean } | undefined =>
  error instanceof CommanderError ? { isFault: error.exitCode !== 0 } : undefined;
