<?php

namespace App\Mailonce;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Event\SendMessageToTransportsEvent;
use Symfony\Component\Messenger\Event\WorkerMessageFailedEvent;
use Symfony\Component\Messenger\Event\WorkerMessageHandledEvent;
use Symfony\Component\Messenger\Event\WorkerMessageReceivedEvent;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;
use Symfony\Component\Messenger\Handler\BatchHandlerInterface;

/**
 * Knows which task a worker runs, and gives each message that is sent to a transport the id of its task.
 *
 * Worker events say it rather than a middleware: they also enclose what DispatchAfterCurrentBusStamp puts off to after the
 * handler, and a message that is handled inside another one belongs to the outer one's task.
 */
final class RunningTask implements EventSubscriberInterface
{
    private ?string $id = null;

    /** @var array<string, int> how many equal messages this run has sent, by digest */
    private array $children = [];

    public static function getSubscribedEvents(): array
    {
        // Before other listeners: what they mail about a message that failed is not the task's mail.
        return [
            WorkerMessageReceivedEvent::class => ['start', 1024],
            WorkerMessageHandledEvent::class => ['end', 1024],
            WorkerMessageFailedEvent::class => ['end', 1024],
            WorkerRunningEvent::class => ['end', 1024],
            // After those who add stamps of their own, by which tenants may be told apart.
            SendMessageToTransportsEvent::class => ['stamp', -1024],
        ];
    }

    /**
     * Null outside a worker's message; in a batch handler, which works for many messages at once; and where Monolog mails a
     * line of the log, as each is another event.
     */
    public function id(): ?string
    {
        if (null === $this->id) {
            return null;
        }
        foreach (debug_backtrace(\DEBUG_BACKTRACE_PROVIDE_OBJECT | \DEBUG_BACKTRACE_IGNORE_ARGS) as $call) {
            $object = $call['object'] ?? null;
            if ($object instanceof BatchHandlerInterface || $object instanceof \Monolog\Handler\HandlerInterface) {
                return null;
            }
        }

        return $this->id;
    }

    public function start(WorkerMessageReceivedEvent $event): void
    {
        $stamp = $event->getEnvelope()->last(TaskStamp::class);
        if (null === $stamp) {
            // Of a scheduler, another application, or from before this was installed. Retries have the stamp.
            $event->addStamps($stamp = new TaskStamp(self::randomUuid()));
        }
        $this->id = $stamp->id;
        $this->children = [];
    }

    public function end(): void
    {
        $this->id = null;
        $this->children = [];
    }

    public function stamp(SendMessageToTransportsEvent $event): void
    {
        $envelope = $event->getEnvelope();
        if (null === $envelope->last(TaskStamp::class)) {
            $event->setEnvelope($envelope->with(new TaskStamp($this->childId($envelope))));
        }
    }

    /**
     * The same id in each run of this task for the same message, by what is in it. A count alone would give a message the
     * id of another one that this run leaves out. Random outside a task, and for what can't be serialized.
     */
    private function childId(Envelope $envelope): string
    {
        $parent = $this->id();
        if (null === $parent || null === $digest = Digest::ofMessage($envelope)) {
            return self::randomUuid();
        }
        $ordinal = $this->children[$digest] = ($this->children[$digest] ?? -1) + 1;

        return self::uuid(5, sha1(hex2bin('a0a2c1f65c0e4a0e9d0c7c6d3d3b7f5e')."$parent\0$digest\0$ordinal", true));
    }

    private static function randomUuid(): string
    {
        return self::uuid(4, random_bytes(16));
    }

    /** RFC 9562 section 4: the version and the variant have fixed places. */
    private static function uuid(int $version, string $octets): string
    {
        $octets[6] = \chr(\ord($octets[6]) & 0x0F | $version << 4);
        $octets[8] = \chr(\ord($octets[8]) & 0x3F | 0x80);

        return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex(substr($octets, 0, 16)), 4));
    }
}
