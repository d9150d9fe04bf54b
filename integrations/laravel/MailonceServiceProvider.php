<?php

namespace App\Providers;

use DateTimeInterface;
use Illuminate\Contracts\Mail\Mailable;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Mail\Events\MessageSending;
use Illuminate\Mail\Mailable as IlluminateMailable;
use Illuminate\Mail\SendQueuedMailable;
use Illuminate\Notifications\Events\NotificationSending;
use Illuminate\Notifications\SendQueuedNotifications;
use Illuminate\Queue\Events\JobExceptionOccurred;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Jobs\SyncJob;
use Illuminate\Queue\Queue;
use Illuminate\Support\Collection;
use Illuminate\Support\Facades\Event;
use Illuminate\Support\ServiceProvider;
use Ramsey\Uuid\Uuid;
use ReflectionClass;
use ReflectionObject;
use ReflectionProperty;
use SplFileInfo;
use Throwable;
use UnitEnum;

/**
 * Puts the id of the running job on each mail that is sent while it runs, and as its part the mailable or notification.
 *
 * Works with Laravel 8 to 13 on PHP 8.0 or newer. To install, copy this file to app/Providers and add the class to the
 * providers in config/app.php, or in bootstrap/providers.php from Laravel 11 on.
 */
class MailonceServiceProvider extends ServiceProvider
{
    /** A mail that has one of them names its task itself. */
    private const TASK_FIELDS = ['X-Task-Id', 'Idempotency-Key', 'Resend-Idempotency-Key', 'X-EE-Idempotency-Key'];

    /** Where a job's payload has its task, which retries keep, by Horizon too. */
    private const KEY = 'mailonce_task';

    /** What the framework puts on jobs, and on mailables and notifications that can be queued, new in each run. */
    private const TRANSIENT = ['batchId', 'debounceOwner', 'deduplicator', 'fakeBatch', 'job', 'uniqueLockOwner'];

    /** What else it puts on them. */
    private const OPTIONS = [
        'afterCommit', 'chainCatchCallbacks', 'chainConnection', 'chainQueue', 'chained', 'connection', 'delay', 'messageGroup',
        'middleware', 'queue',
    ];

    /** The job that a worker runs. Jobs of the sync driver belong to the one that they run in. */
    private ?Job $job = null;

    private ?string $task = null;

    /** Whether the job is to send one mailable or notification, and nothing else. */
    private bool $single = false;

    /** How many equal jobs this run has enqueued, by class and digest. */
    private array $children = [];

    /** The notification that is being sent, and to whom. */
    private ?object $notification = null;

    private mixed $notifiable = null;

    public function boot(): void
    {
        Queue::createPayloadUsing(fn ($connection, $queue, $payload) => [
            self::KEY => $this->childId($payload) ?? $payload['uuid'] ?? null,
        ]);

        Event::listen(JobProcessing::class, fn (JobProcessing $event) => $this->start($event->job));
        Event::listen([JobProcessed::class, JobExceptionOccurred::class], fn ($event) => $this->end($event->job));
        Event::listen(Looping::class, fn () => $this->end());

        Event::listen(NotificationSending::class, function (NotificationSending $event): void {
            [$this->notification, $this->notifiable] = $this->job === null ? null : [$event->notification, $event->notifiable];
        });
        Event::listen(MessageSending::class, function (MessageSending $event): void {
            $this->addFields($event);
        });
    }

    private function start(Job $job): void
    {
        if (! $job instanceof SyncJob) {
            $this->end();
            $payload = $job->payload();
            $this->job = $job;
            $this->task = $payload[self::KEY] ?? $job->uuid();
            $this->single = in_array(
                $payload['data']['commandName'] ?? null, [SendQueuedMailable::class, SendQueuedNotifications::class], true
            );
        }
    }

    private function end(?Job $job = null): void
    {
        if (! $job instanceof SyncJob) {
            $this->job = $this->task = $this->notification = $this->notifiable = null;
            $this->children = [];
        }
    }

    /** Null outside a job, and once it has failed: what it mails about that is not to be dropped when it fails again. */
    private function task(): ?string
    {
        return $this->job === null || $this->job->hasFailed() ? null : $this->task;
    }

    private function addFields(MessageSending $event): void
    {
        $task = $this->task();
        // Of Swift in Laravel 8 and of Symfony since. The two agree in these methods.
        $headers = $event->message->getHeaders();

        if ($task === null || array_filter(self::TASK_FIELDS, fn ($field) => $headers->has($field))) {
            return;
        }

        try {
            $part = $this->part($event->data);
        } catch (Throwable) {
            // It can't be told apart from another mail of the job, which would be lost.
            return;
        }

        $headers->addTextHeader('X-Task-Id', $task);

        if (! $headers->has('X-Task-Part') && $part !== '') {
            $headers->addTextHeader('X-Task-Part', $part);
        }
    }

    /**
     * The class of the mailable or notification, and a digest of what it was made with: two mails of one class to one
     * person are two, even if they have the same subject. A queued one is alone in its job, and needs no digest.
     */
    private function part(array $data): string
    {
        $source = $this->source($data);
        $class = $source === null ? $data['__laravel_notification'] ?? '' : get_debug_type($source);
        $name = substr(preg_replace('/[^!-~]/', '?', $class), -200);

        if ($this->single) {
            return $name;
        }

        // Without a source these are the data of a view, to which the mailer adds.
        $values = $source === null
            ? array_diff_key($data, ['message' => 0, 'mailer' => 0, '__laravel_notification_id' => 0])
            : $this->properties($source);

        return $values === [] ? $name : $name.'#'.substr(hash('sha256', serialize($this->stable($values))), 0, 16);
    }

    /** The mailable or notification that a mail comes from. */
    private function source(array $data): ?object
    {
        $notification = $this->notification;
        $this->notification = null;

        if ($notification !== null && get_class($notification) === ($data['__laravel_notification'] ?? null)) {
            return $notification;
        }

        // The event of a mailable has its data, but not the mailable.
        foreach (debug_backtrace(DEBUG_BACKTRACE_PROVIDE_OBJECT | DEBUG_BACKTRACE_IGNORE_ARGS) as $call) {
            if (($call['object'] ?? null) instanceof Mailable) {
                return $call['object'];
            }
        }

        return null;
    }

    /** What the application's own classes have, and the view's data. */
    private function properties(object $source): array
    {
        $values = ['viewData' => $source->viewData ?? []];
        $values += $source instanceof IlluminateMailable ? ['form' => $this->form($source)] : ['notifiable' => $this->notifiable];

        for ($class = new ReflectionObject($source); $class; $class = $class->getParentClass()) {
            foreach ($this->isFramework($class) ? [] : $class->getProperties() as $property) {
                if (PHP_VERSION_ID < 80100) {
                    $property->setAccessible(true);
                }
                $name = $property->getName();

                if (! $this->isFramework($property->getDeclaringClass()) && $property->isInitialized($source)
                    && ! (in_array($name, [...self::TRANSIENT, ...self::OPTIONS], true) && $this->isTheirs($source, $property))) {
                    $values[$class->getShortName().' '.$name] = $property->getValue($source);
                }
            }
        }

        return $values;
    }

    /** What a mailable shows, and the names of its attachments, whose contents may be made anew in each run. */
    private function form(IlluminateMailable $mailable): array
    {
        $name = fn ($given, $path) => $given ?? (is_string($path) ? basename($path) : get_debug_type($path));

        return (fn () => [
            [$this->view ?? null, $this->textView ?? null, $this->markdown ?? null, (string) ($this->html ?? '')],
            array_map(fn ($one) => $name($one['options']['as'] ?? null, $one['file']), $this->attachments ?? []),
            array_column($this->rawAttachments ?? [], 'name'),
            array_map(fn ($one) => $name($one['name'] ?? null, $one['path']), $this->diskAttachments ?? []),
        ])->call($mailable);
    }

    /** Whether the framework has put it there, by one of its traits or as it runs: the application may use the same name. */
    private function isTheirs(object $object, ReflectionProperty $property): bool
    {
        if (! $property->isDefault() || $this->isFramework($property->getDeclaringClass())) {
            return true;
        }
        foreach (class_uses_recursive($object) as $trait) {
            if ($this->isFramework($trait = new ReflectionClass($trait)) && $trait->hasProperty($property->getName())) {
                return true;
            }
        }

        return false;
    }

    private function isFramework(ReflectionClass $class): bool
    {
        return str_starts_with($class->getName(), 'Illuminate\\');
    }

    /**
     * A model counts by its connection, class and key, a file by its path. A moment with microseconds is most likely the
     * time of this run and doesn't count. Throws for an object that can't be serialized.
     */
    private function stable(mixed $value): mixed
    {
        if (is_array($value)) {
            return array_map(fn ($one) => $this->stable($one), $value);
        }
        if (! is_object($value)) {
            return is_resource($value) ? null : $value;
        }
        $class = get_debug_type($value);

        return match (true) {
            $value instanceof Model => [
                $value->getConnectionName(), $class, $value->getKey() ?? $this->stable($value->getAttributes()),
            ],
            $value instanceof DateTimeInterface => [$class, $value->format('u') === '000000' ? $value->format('c') : null],
            $value instanceof UnitEnum => [$class, $value->name],
            $value instanceof SplFileInfo => [$class, $value->getPathname()],
            $value instanceof Collection => [$class, $this->stable($value->all())],
            default => [$class, serialize($value)],
        };
    }

    /**
     * The task of a job that is enqueued while another one runs: the same in each run of that one for the same content. A
     * count alone would give a job the id of another one that this run leaves out.
     */
    private function childId(array $payload): ?string
    {
        $parent = $this->task();
        if ($parent === null) {
            return null;
        }
        try {
            $digest = $this->digest($payload);
        } catch (Throwable) {
            return null;
        }
        $ordinal = $this->children[$digest] = ($this->children[$digest] ?? -1) + 1;

        return Uuid::uuid5('a0a2c1f6-5c0e-4a0e-9d0c-7c6d3d3b7f5e', "$parent\0$digest\0$ordinal")->toString();
    }

    private function digest(array $payload): string
    {
        $command = $payload['data']['command'] ?? null;
        // A job of the old kind is a name with data.
        $content = is_object($command) ? $this->lasting($command) : $payload['data'];
        // Packages for several tenants add one of these.
        $tenant = $payload['tenant_id'] ?? $payload['tenantId'] ?? null;

        return hash('sha256', serialize([$payload['job'], $content, $tenant]));
    }

    /** A copy without what the framework puts there anew in each run, and when it is to run as a span of time. */
    private function lasting(object $job): object
    {
        $job = clone $job; // which clones a mailable or notification in it too

        foreach ([$job, $job->mailable ?? null, $job->notification ?? null] as $part) {
            foreach (self::TRANSIENT as $name) {
                if (isset($part->$name) && $this->isTheirs($part, new ReflectionProperty($part, $name))) {
                    $part->$name = null;
                }
            }
            if (isset($part->delay) && $this->isTheirs($part, new ReflectionProperty($part, 'delay'))) {
                $part->delay = array_map([$this, 'span'], is_array($part->delay) ? $part->delay : [$part->delay]);
            }
        }
        if ($job instanceof SendQueuedNotifications) {
            $job->notification->id = null;
        }

        return $job;
    }

    /** "In a week" is another moment in each run, with microseconds: it counts in minutes from now. */
    private function span(mixed $delay): mixed
    {
        return $delay instanceof DateTimeInterface && $delay->format('u') !== '000000'
            ? 'minutes: '.round(($delay->format('U.u') - microtime(true)) / 60)
            : $delay;
    }
}
