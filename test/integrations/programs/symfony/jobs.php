<?php

// What the application does. No line of it knows of mailonce.

namespace App;

use Symfony\Bridge\Twig\Mime\TemplatedEmail;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\Mailer\Envelope;
use Symfony\Component\Mailer\Event\MessageEvent;
use Symfony\Component\Mailer\MailerInterface;
use Symfony\Component\Messenger\Event\WorkerMessageFailedEvent;
use Symfony\Component\Messenger\Event\WorkerMessageHandledEvent;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;
use Symfony\Component\Messenger\Handler\Acknowledger;
use Symfony\Component\Messenger\Handler\BatchHandlerInterface;
use Symfony\Component\Messenger\Handler\BatchHandlerTrait;
use Symfony\Component\Messenger\MessageBusInterface;
use Symfony\Component\Messenger\Stamp\DispatchAfterCurrentBusStamp;
use Symfony\Component\Messenger\Stamp\StampInterface;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Crypto\DkimSigner;
use Symfony\Component\Mime\Email;
use Symfony\Component\Mime\Message;
use Symfony\Component\Mime\RawMessage;

/** Which method to call. */
abstract class Work
{
    public function __construct(public string $name, public array $arguments = [])
    {
    }
}

/** By the queue. */
class Job extends Work
{
}

/** By the sync transport. */
class SyncJob extends Work
{
}

/** By no transport at all. */
class InlineJob extends Work
{
}

class TenantStamp implements StampInterface
{
    public function __construct(public string $name)
    {
    }
}

/** Handled in batches. */
class Row
{
    public function __construct(public string $to)
    {
    }
}

class RowHandler implements BatchHandlerInterface
{
    use BatchHandlerTrait;

    public function __construct(private Jobs $app)
    {
    }

    public function __invoke(Row $row, ?Acknowledger $ack = null): mixed
    {
        return $this->handle($row, $ack);
    }

    private function shouldFlush(): bool
    {
        return 2 <= \count($this->jobs);
    }

    private function process(array $jobs): void
    {
        foreach ($jobs as [$row, $ack]) {
            $this->app->news($row->to);
            $ack->ack();
        }
    }
}

class Jobs
{
    private \Redis $redis;
    private ?Email $kept = null;
    private bool $dies = false;

    /** A mailer without a bus, and one that hands mails to the queue. */
    public function __construct(
        private MessageBusInterface $bus,
        private MailerInterface $mailer,
        private MailerInterface $queue,
        string $redis,
    ) {
        $this->redis = new \Redis();
        $this->redis->connect('127.0.0.1', parse_url($redis, \PHP_URL_PORT));
    }

    public function listen(EventDispatcher $events): void
    {
        $events->addListener(MessageEvent::class, $this->signer(...), -128);
        $events->addListener(WorkerMessageHandledEvent::class, function ($event) {
            if ($this->dies) {
                // The work is done, and the broker will never hear of it.
                posix_kill(getmypid(), \SIGKILL);
            }
            echo 'done ', $event->getEnvelope()->getMessage()->name ?? '', \PHP_EOL;
        });
        $events->addListener(WorkerMessageFailedEvent::class, function ($event) {
            echo 'failed: ', $event->getThrowable()->getMessage(), \PHP_EOL;
            if ($event->getThrowable()->getPrevious() instanceof AskForHelp) {
                $this->mailer->send(self::mail('admin@example.net', 'A job failed'));
            }
        });
    }

    /** As Symfony does from 7.3 on, where a signer is configured. */
    private function signer(MessageEvent $event): void
    {
        $mail = $event->getMessage();
        if ($mail instanceof Email && 'To be signed' === $mail->getSubject()) {
            $event->setMessage(self::sign($mail));
        }
    }

    public function __invoke(Work $job): void
    {
        $this->{$job->name}(...$job->arguments);
    }

    public static function mail(string $to, string $subject = 'News'): Email
    {
        return (new Email())->from('shop@example.com')->to($to)->subject($subject)->text('Hello');
    }

    /** How often this was asked, over all runs. */
    private function run(string $what): int
    {
        return $this->redis->incr("run:$what");
    }

    public function news(string ...$people): void
    {
        foreach ($people as $to) {
            $this->mailer->send(self::mail($to));
        }
    }

    public function twice(string ...$people): void
    {
        $this->news(...$people);
        $this->dies = 1 === $this->run($people[0]);
    }

    public function half(string $first, string $second): void
    {
        $this->news($first);
        if (1 === $this->run($first)) {
            throw new \RuntimeException('the first run ends here');
        }
        $this->news($second);
    }

    /** All retries too, until the failure transport has it. */
    public function hopeless(string $first, string $second): void
    {
        $this->news($first);
        if (3 >= $this->run($first)) {
            throw new \RuntimeException('not yet');
        }
        $this->news($second);
    }

    public function killed(string $first, string $second): void
    {
        $this->news($first);
        if (1 === $this->run($first)) {
            posix_kill(getmypid(), \SIGKILL);
        }
        $this->news($second);
    }

    public function two(string $to): void
    {
        $this->mailer->send(self::mail($to, 'Your order'));
        $this->mailer->send(self::mail($to, 'Your invoice'));
    }

    /** Does it for the invoices of this run, and fails in all runs but the last. */
    private function each(string $to, array $runs, callable $do): void
    {
        $run = 1 === \count($runs) ? 1 : $this->run($to);
        foreach ($runs[$run - 1] as $number) {
            $do($number);
        }
        if ($run < \count($runs)) {
            throw new \RuntimeException('once more');
        }
    }

    public function invoice(string $to, string $number): void
    {
        $this->mailer->send(self::mail($to, 'Your invoice')->text("Invoice $number"));
    }

    public function invoices(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => $this->bus->dispatch(new Job('invoice', [$to, $number])));
    }

    /** The message is the same for each tenant. */
    public function tenants(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($tenant) => $this->bus->dispatch(new Job('news', [$to]), [new TenantStamp($tenant)]));
    }

    /** By the mailer that has a bus. */
    public function mails(string $to, array ...$runs): void
    {
        $this->each($to, $runs, function ($number) use ($to) {
            $mail = self::mail($to, 'Your invoice')->text("Invoice $number")->date(new \DateTimeImmutable());
            $mail->getHeaders()->addIdHeader('Message-ID', bin2hex(random_bytes(8)).'@example.com');
            $this->queue->send($mail->attach("number;$number", 'invoice.csv', 'text/csv'));
        });
    }

    public function templates(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => $this->mailer->send(self::template($to, $number)));
    }

    public function queuedTemplates(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => $this->queue->send(self::template($to, $number)));
    }

    private static function template(string $to, string $number): TemplatedEmail
    {
        return (new TemplatedEmail())->from('shop@example.com')->to($to)->subject('Your invoice')
            ->textTemplate('invoice.txt.twig')->context(['number' => $number, 'due' => new \DateTime('+7 days')]);
    }

    public function queued(string $to): void
    {
        $this->queue->send(self::mail($to));
    }

    /** Messages that are handled inside this one, and one that is put off to after it. */
    public function nested(string $sync, string $inline, string $after): void
    {
        $this->bus->dispatch(new SyncJob('news', [$sync]));
        $this->bus->dispatch(new InlineJob('news', [$inline]));
        $this->bus->dispatch(new Job('news', [$after]), [new DispatchAfterCurrentBusStamp()]);
        $this->dies = 1 === $this->run($sync);
    }

    public function inline(string $to): void
    {
        $this->bus->dispatch(new InlineJob('news', [$to]));
    }

    public function rows(string $to): void
    {
        $this->bus->dispatch(new Row($to));
        $this->bus->dispatch(new Row($to));
    }

    public function ownField(string $to, string $field): void
    {
        $mail = self::mail($to);
        $mail->getHeaders()->addTextHeader($field, "own-task-of-$to");
        $this->mailer->send($mail);
    }

    /** A long-running worker keeps a mail and sends it again, in another job. */
    public function keep(string $to): void
    {
        $this->kept ??= self::mail($to);
        $this->mailer->send($this->kept);
    }

    public function help(string $to): void
    {
        $this->news($to);
        throw new AskForHelp('help');
    }

    private static function sign(Message $mail): Message
    {
        $key = openssl_pkey_new(['private_key_bits' => 2048]);
        openssl_pkey_export($key, $private);

        return (new DkimSigner($private, 'example.com', 'jobs'))->sign($mail);
    }

    public function signed(string $to): void
    {
        $this->mailer->send(self::sign(self::mail($to)));
    }

    public function signedLater(string $to): void
    {
        $this->mailer->send(self::mail($to, 'To be signed'));
    }

    public function raw(string $to): void
    {
        $this->mailer->send(new RawMessage(self::mail($to)->toString()), new Envelope(
            new Address('shop@example.com'),
            [new Address($to)],
        ));
    }
}

class AskForHelp extends \RuntimeException
{
}
