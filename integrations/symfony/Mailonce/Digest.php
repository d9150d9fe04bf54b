<?php

namespace App\Mailonce;

use Symfony\Component\Mailer\Messenger\SendEmailMessage;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Stamp\NonSendableStampInterface;
use Symfony\Component\Mime\Message;

/** Tells messages and mails of one task apart, by what stays the same when the task runs again. */
final class Digest
{
    /** Of a message and its stamps, of which some may tell tenants apart. Null when they can't be serialized. */
    public static function ofMessage(Envelope $envelope): ?string
    {
        $message = $envelope->getMessage();
        $stamps = $envelope->withoutStampsOfType(NonSendableStampInterface::class)->withoutAll(DelayStamp::class)->all();
        // The milliseconds until a fixed moment are others in each run.
        $minutes = round(($envelope->last(DelayStamp::class)?->getDelay() ?? 0) / 60000);
        try {
            $content = $message instanceof SendEmailMessage ? self::mail($message) : $message;

            return hash('sha256', serialize([$message::class, $content, $stamps, $minutes]));
        } catch (\Throwable) {
            return null;
        }
    }

    /**
     * Null when something in it can't be serialized.
     *
     * @param array<mixed> $context what a template is rendered with, and what else tells such mails apart
     */
    public static function ofContext(array $context): ?string
    {
        try {
            return hash('sha256', serialize(self::stable($context)));
        } catch (\Throwable) {
            return null;
        }
    }

    /** @return array<mixed> */
    private static function mail(SendEmailMessage $message): array
    {
        // A copy by way of its text: that leaves strings in place of streams, which could be read only once.
        $mail = unserialize(serialize($message->getMessage()));
        if ($mail instanceof Message) {
            foreach (['Message-ID', 'Date', 'DKIM-Signature'] as $name) {
                $mail->getHeaders()->remove($name);
            }
        }
        if (method_exists($mail, 'context')) {
            $mail->context(self::stable($mail->getContext()));
        }
        $envelope = $message->getEnvelope();

        return [$mail, $envelope?->getSender(), $envelope?->getRecipients()];
    }

    /**
     * An entity counts by its class and id, a file by its path. A moment with microseconds is most likely the time of this
     * run and doesn't count. Throws for an object that can't be serialized.
     */
    private static function stable(mixed $value): mixed
    {
        if (\is_array($value)) {
            return array_map(self::stable(...), $value);
        }
        if (!\is_object($value)) {
            return \is_resource($value) ? null : $value;
        }
        // A proxy of Doctrine stands for the entity that another run has itself.
        $class = preg_replace('/^.*\\\\__CG__\\\\/', '', get_debug_type($value));
        $id = self::idOf($value);

        return match (true) {
            $value instanceof \DateTimeInterface => [$class, '000000' === $value->format('u') ? $value->format('c') : null],
            $value instanceof \UnitEnum => [$class, $value->name],
            $value instanceof \SplFileInfo => [$class, $value->getPathname()],
            \is_scalar($id), $id instanceof \Stringable => [$class, (string) $id],
            $value instanceof \IteratorAggregate => self::stable(iterator_to_array($value)),
            default => [$class, serialize($value)],
        };
    }

    /** Null where there is none, or none yet. */
    private static function idOf(object $value): mixed
    {
        try {
            return method_exists($value, 'getId') ? $value->getId() : $value->id ?? null;
        } catch (\Throwable) {
            return null;
        }
    }
}
