<?php

// What the application does. No line of it knows of mailonce.

namespace App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldBeEncrypted;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Mail\Mailable;
use Illuminate\Notifications\Messages\MailMessage;
use Illuminate\Notifications\Notification;
use Illuminate\Queue\Failed\FailedJobProviderInterface;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\SerializesModels;
use Illuminate\Support\Facades\Bus;
use Illuminate\Support\Facades\Mail;
use Illuminate\Support\Facades\Notification as Notifications;
use Illuminate\Support\Facades\Redis;

/** Which method to call. */
class Run implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable, SerializesModels;

    public $tries = 3;

    public function __construct(public string $name, public array $arguments = [])
    {
    }

    public function handle(Jobs $jobs)
    {
        $jobs->job = $this;
        $jobs->{$this->name}(...$this->arguments);
    }

    public function failed($exception)
    {
        if ($this->name === 'help') {
            Jobs::send('admin@example.net', 'A job failed');
        }
    }
}

class InvoiceMail extends Mailable
{
    use Queueable, SerializesModels;

    public function __construct(public string $number)
    {
    }

    public function build()
    {
        return $this->subject('Your invoice')->text('invoice')->with('made', now());
    }
}

/** A name that the framework's traits have too, on jobs. */
class JobAlert extends Mailable
{
    use Queueable;

    public function __construct(public string $job)
    {
    }

    public function build()
    {
        return $this->subject('An alert')->html($this->job);
    }
}

/** A file of the disk, which can't be serialized. */
class DocumentMail extends Mailable
{
    public function __construct(public \SplFileInfo $file)
    {
    }

    public function build()
    {
        return $this->subject('A document')->html($this->file->getFilename());
    }
}

class InvoicePaid extends Notification
{
    use Queueable;

    public function __construct(protected string $number)
    {
    }

    public function via($notifiable)
    {
        return ['mail'];
    }

    public function toMail($notifiable)
    {
        return (new MailMessage())->subject('Your invoice')->line("Invoice $this->number")
            ->action('Pay', 'https://shop.example/?token='.bin2hex(random_bytes(8)));
    }
}

class QueuedInvoicePaid extends InvoicePaid implements ShouldBeEncrypted, ShouldQueue
{
}

class Jobs
{
    public ?Run $job = null;

    public static function send(string $to, string $subject = 'News', string $text = 'Hello'): void
    {
        Mail::raw($text, fn ($message) => $message->to($to)->subject($subject));
    }

    /** How often this was asked, over all runs. */
    private function run(string $what): int
    {
        return Redis::incr("run:$what");
    }

    public function news(string ...$people): void
    {
        foreach ($people as $to) {
            self::send($to);
        }
    }

    /** The work is done, and the broker never hears of it. */
    public function twice(string ...$people): void
    {
        $this->news(...$people);
        if (1 === $this->run($people[0])) {
            posix_kill(getmypid(), SIGKILL);
        }
    }

    public function killed(string $first, string $second): void
    {
        $this->news($first);
        if (1 === $this->run($first)) {
            posix_kill(getmypid(), SIGKILL);
        }
        $this->news($second);
    }

    public function half(string $first, string $second): void
    {
        $this->news($first);
        if (1 === $this->run($first)) {
            throw new \RuntimeException('the first run ends here');
        }
        $this->news($second);
    }

    public function released(string $first, string $second): void
    {
        $this->news($first);
        if (1 === $this->run($first)) {
            $this->job->release();

            return;
        }
        $this->news($second);
    }

    /** All tries too, until queue:retry. */
    public function hopeless(string $first, string $second): void
    {
        $this->news($first);
        if (3 >= $this->run($first)) {
            throw new \RuntimeException('not yet');
        }
        $this->news($second);
    }

    public function two(string $to): void
    {
        self::send($to, 'Your order');
        self::send($to, 'Your invoice');
    }

    /** Does it for the invoices of this run and fails in all runs but the last. */
    private function each(string $to, array $runs, callable $do): void
    {
        $run = 1 === count($runs) ? 1 : $this->run($to);
        foreach ($runs[$run - 1] as $number) {
            $do($number);
        }
        if ($run < count($runs)) {
            throw new \RuntimeException('once more');
        }
    }

    public function jobs(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Run::dispatch('invoice', [$to, $number])->delay(now()));
    }

    public function chains(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Bus::chain([new Run('nothing'), new Run('invoice', [$to, $number])])->dispatch());
    }

    public function mailables(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Mail::to($to)->later(now(), new InvoiceMail($number)));
    }

    public function notifications(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Notifications::route('mail', $to)->notify(new QueuedInvoicePaid($number)));
    }

    public function mailablesNow(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Mail::to($to)->send(new InvoiceMail($number)));
    }

    public function alertsNow(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Mail::to($to)->send(new JobAlert("Invoice $number")));
    }

    public function documentsNow(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Mail::to($to)->send(new DocumentMail(new \SplFileInfo("/tmp/Invoice $number"))));
    }

    /** Two shops of one owner, who get the same. */
    public function shopsNow(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($shop) => Notifications::route('mail', [$to => "Shop $shop"])->notify(new InvoicePaid($shop === 'B' ? 'A' : $shop)));
    }

    public function notificationsNow(string $to, array ...$runs): void
    {
        $this->each($to, $runs, fn ($number) => Notifications::route('mail', $to)->notify(new InvoicePaid($number)));
    }

    public function nothing(): void
    {
    }

    public function invoice(string $to, string $number): void
    {
        self::send($to, 'Your invoice', "Invoice $number");
    }

    public function sync(string $sync, string $now, string $last): void
    {
        Run::dispatchSync('news', [$sync]);
        Bus::dispatchNow(new Run('news', [$now]));
        $this->news($last);
    }

    public function ownField(string $to, string $field): void
    {
        Mail::raw('Hello', function ($message) use ($to, $field) {
            $message->to($to)->subject('News')->getHeaders()->addTextHeader($field, "own-task-of-$to");
        });
    }

    public function queued(string $to): void
    {
        Mail::to($to)->queue(new InvoiceMail('A'));
    }

    public function help(string $to): void
    {
        $this->news($to);
        throw new \RuntimeException('help');
    }
}

/** Debian's PHP has no SQLite. */
class FailedJobs implements FailedJobProviderInterface
{
    public function log($connection, $queue, $payload, $exception)
    {
        $id = json_decode($payload)->uuid;
        Redis::hset('failed', $id, json_encode(compact('id', 'connection', 'queue', 'payload')));

        return $id;
    }

    public function all()
    {
        return array_map('json_decode', array_values(Redis::hgetall('failed')));
    }

    public function find($id)
    {
        return json_decode(Redis::hget('failed', $id) ?: 'null');
    }

    public function forget($id)
    {
        return Redis::hdel('failed', $id) > 0;
    }

    public function flush($hours = null)
    {
        Redis::del('failed');
    }
}
