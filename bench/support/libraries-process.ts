// A process of the two libraries that the gateway stands on, and nothing else: smtp-server takes a mail and answers 250, nodemailer
// hands it on. What a mail costs here is the least that it can cost in the gateway. It gets its errand as JSON in its first argument.
import { type FileHandle, open } from "node:fs/promises";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import { SMTPServer, type SMTPServerSession } from "smtp-server";
import { SMTPConnection as ServerConnection } from "smtp-server/lib/smtp-connection.js";

export interface LibrariesErrand {
  readonly port: number;
  /** Where mail is handed on, on connections that are kept; nowhere unless given. */
  readonly upstream?: { readonly port: number; readonly connections: number };
  /** PEM. STARTTLS and AUTH are offered with it, and everyone is let in. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** A file that each mail is appended to and synced in before its 250; none unless given. */
  readonly file?: string;
}

interface Mail {
  readonly envelope: { readonly from: string; readonly to: string[] };
  readonly content: Buffer;
}

// As the gateway's: the library holds its greeting back for 100 ms.
ServerConnection.prototype.init = function init(): void {
  this._setListeners(() => this.connectionReady());
};

const errand = JSON.parse(process.argv[2] ?? "") as LibrariesErrand;
const { upstream } = errand;
const waiting: Mail[] = [];
const free: SMTPConnection[] = [];
let opened = 0;

/** The server may end a connection that nothing is sent on. */
function connect(port: number): void {
  const connection = new SMTPConnection({ host: "127.0.0.1", port, ignoreTLS: true });
  opened++;
  connection.on("error", (error: Error) => {
    throw error;
  });
  connection.once("end", () => {
    opened--;
    if (free.includes(connection)) free.splice(free.indexOf(connection), 1);
  });
  connection.connect(() => handOn(connection));
}

function handOn(connection: SMTPConnection): void {
  const mail = waiting.shift();
  if (mail === undefined) {
    free.push(connection);
    return;
  }
  connection.send(mail.envelope, mail.content, (error) => {
    if (error !== null) throw error;
    handOn(connection);
  });
}

const envelopeOf = ({ mailFrom, rcptTo }: SMTPServerSession["envelope"]): Mail["envelope"] => ({
  from: mailFrom === false ? "" : mailFrom.address,
  to: rcptTo.map(({ address }) => address),
});

let file: FileHandle | undefined;
if (errand.file !== undefined) file = await open(errand.file, "a");

const server = new SMTPServer({
  ...{ authOptional: true, disableReverseLookup: true, logger: false },
  ...(errand.tls ?? { disabledCommands: ["STARTTLS", "AUTH"] }),
  onAuth: (_auth, _session, callback) => callback(null, { user: "anyone" }),
  onData(stream, session, callback) {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const mail = { envelope: envelopeOf(session.envelope), content: Buffer.concat(chunks) };
      const taken = (): void => {
        callback(null);
        if (upstream === undefined) return;
        waiting.push(mail);
        const connection = free.pop();
        if (connection !== undefined) handOn(connection);
        else if (opened < upstream.connections) connect(upstream.port);
      };
      if (file === undefined) taken();
      else
        void file
          .appendFile(mail.content)
          .then(() => file?.datasync())
          .then(taken);
    });
  },
});
// A client that has what it wanted may reset its connection.
server.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "ECONNRESET") throw error;
});
server.listen(errand.port, "127.0.0.1");
