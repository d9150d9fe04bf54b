<?php

namespace App\Mailonce;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Mailer\Event\MessageEvent;
use Symfony\Component\Mime\Message;

/**
 * Puts the id of the running task on each mail that is sent while it runs, and as its part the template.
 *
 * Works with Symfony 5.4 to 7 on PHP 8.1 or newer. To install, copy this folder to src/Mailonce: an application with the
 * standard services.yaml (autowire, autoconfigure) needs nothing more.
 */
final class MailListener implements EventSubscriberInterface
{
    /** A mail that has one of them names its task itself. */
    private const TASK_FIELDS = ['X-Task-Id', 'Idempotency-Key', 'Resend-Idempotency-Key', 'X-EE-Idempotency-Key'];

    /** @var \WeakMap<MessageEvent, string|false> false where it can't be told */
    private \WeakMap $parts;

    public function __construct(private readonly RunningTask $task)
    {
        $this->parts = new \WeakMap();
    }

    public static function getSubscribedEvents(): array
    {
        // Rendering (at 0) empties the context. Signing (at -128, from Symfony 7.3 on) must not cover the fields, since
        // the gateway removes them.
        return [MessageEvent::class => [['notePart', 64], ['addFields', -1024]]];
    }

    public function notePart(MessageEvent $event): void
    {
        $mail = $event->getMessage();
        // TemplatedEmail is in a package that not everybody has.
        if ($event->isQueued() || !method_exists($mail, 'getHtmlTemplate')) {
            return;
        }
        $template = $mail->getHtmlTemplate() ?? $mail->getTextTemplate();
        if (null !== $template && null !== $this->task->id()) {
            // Two mails by one template to one person are two, even if they have the same subject.
            $attachments = array_map(fn ($one) => $one->asDebugString(), $mail->getAttachments());
            $digest = Digest::ofContext([$mail->getContext(), $attachments]);
            $part = rawurlencode((string) $template).'#'.substr($digest ?? '', 0, 16);
            $this->parts[$event] = null === $digest ? false : str_replace(['%2F', '%40'], ['/', '@'], substr($part, -255));
        }
    }

    public function addFields(MessageEvent $event): void
    {
        $id = $this->task->id();
        $mail = $event->getMessage();
        $part = $this->parts[$event] ?? null;
        if (null === $id || $event->isQueued() || !$mail instanceof Message || false === $part) {
            return;
        }
        foreach (self::TASK_FIELDS as $field) {
            if ($mail->getHeaders()->has($field)) {
                return;
            }
        }
        $mail = clone $mail; // which may be sent again, by another task
        $mail->getHeaders()->addTextHeader('X-Task-Id', $id);
        if (null !== $part && !$mail->getHeaders()->has('X-Task-Part')) {
            $mail->getHeaders()->addTextHeader('X-Task-Part', $part);
        }
        $event->setMessage($mail);
    }
}
