<?php

// A Symfony application without its kernel: a bus over Redis, a mailer, the commands of Messenger, and the integration.
//
//   php app.php dispatch [[NAME, ARGUMENT…], …]      sends messages to the queue
//   php app.php call [[NAME, ARGUMENT…], …]          does the same work outside a job
//   php app.php messenger:consume async
//   php app.php messenger:consume failed             retries what failed for good
//
// The environment has REDIS and MAILER, two DSNs.

use App\Job;
use App\Jobs;
use App\Mailonce\MailListener;
use App\Mailonce\RunningTask;
use Psr\Container\ContainerInterface;
use Symfony\Bridge\Twig\Mime\BodyRenderer;
use Symfony\Component\Console\Application;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\Mailer\EventListener\MessageListener;
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Messenger\MessageHandler;
use Symfony\Component\Mailer\Messenger\SendEmailMessage;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Messenger\Bridge\Redis\Transport\RedisTransportFactory;
use Symfony\Component\Messenger\Command\ConsumeMessagesCommand;
use Symfony\Component\Messenger\EventListener\AddErrorDetailsStampListener;
use Symfony\Component\Messenger\EventListener\SendFailedMessageForRetryListener;
use Symfony\Component\Messenger\EventListener\SendFailedMessageToFailureTransportListener;
use Symfony\Component\Messenger\Handler\HandlersLocator;
use Symfony\Component\Messenger\MessageBus;
use Symfony\Component\Messenger\Middleware\AddBusNameStampMiddleware;
use Symfony\Component\Messenger\Middleware\DispatchAfterCurrentBusMiddleware;
use Symfony\Component\Messenger\Middleware\FailedMessageProcessingMiddleware;
use Symfony\Component\Messenger\Middleware\HandleMessageMiddleware;
use Symfony\Component\Messenger\Middleware\RejectRedeliveredMessageMiddleware;
use Symfony\Component\Messenger\Middleware\SendMessageMiddleware;
use Symfony\Component\Messenger\Retry\MultiplierRetryStrategy;
use Symfony\Component\Messenger\RoutableMessageBus;
use Symfony\Component\Messenger\Transport\Sender\SendersLocator;
use Symfony\Component\Messenger\Transport\Serialization\PhpSerializer;
use Symfony\Component\Messenger\Transport\Sync\SyncTransport;
use Symfony\Contracts\Service\ServiceLocatorTrait;
use Twig\Environment;
use Twig\Loader\ArrayLoader;

foreach (['Console', 'EventDispatcher', 'Mailer', 'Messenger', 'Mime'] as $component) {
    require_once "Symfony/Component/$component/autoload.php";
}
spl_autoload_register(static function (string $class): void {
    $integration = dirname(__DIR__, 4).'/integrations/symfony/';
    if (str_starts_with($class, 'App\\Mailonce\\')) {
        require $integration.str_replace('\\', '/', substr($class, 4)).'.php';
    }
});
require __DIR__.'/jobs.php';

// Templates need a package more.
$twig = null;
if (stream_resolve_include_path('Symfony/Bridge/Twig/autoload.php')) {
    require_once 'Symfony/Bridge/Twig/autoload.php';
    $twig = new BodyRenderer(new Environment(new ArrayLoader(['invoice.txt.twig' => 'Invoice {{ number }}'])));
}

/** @param array<string, mixed> $services */
function locator(array $services): ContainerInterface
{
    return new class(array_map(static fn ($service) => static fn () => $service, $services)) implements ContainerInterface {
        use ServiceLocatorTrait;
    };
}

$events = new EventDispatcher();
$task = new RunningTask();
$events->addSubscriber($task);
$events->addSubscriber(new MailListener($task));
$events->addSubscriber(new MessageListener(null, $twig));

$factory = new RedisTransportFactory();
$queue = static fn (string $stream) => $factory->createTransport(getenv('REDIS')."/$stream", [], new PhpSerializer());
$transports = ['async' => $queue('messages'), 'failed' => $queue('failed')];

// As the framework wires them. The bus and what it needs refer to each other.
$bus = new MessageBus((static function () use (&$transports, &$handlers, $events) {
    yield new AddBusNameStampMiddleware('messenger.bus.default');
    yield new RejectRedeliveredMessageMiddleware();
    yield new DispatchAfterCurrentBusMiddleware();
    yield new FailedMessageProcessingMiddleware();
    yield new SendMessageMiddleware(new SendersLocator([
        Job::class => ['async'],
        App\SyncJob::class => ['sync'],
        App\Row::class => ['async'],
        SendEmailMessage::class => ['async'],
    ], locator($transports)), $events);
    yield new HandleMessageMiddleware(new HandlersLocator($handlers));
})());
$transports['sync'] = new SyncTransport($bus);

$transport = Transport::fromDsn(getenv('MAILER'), $events);
$jobs = new Jobs($bus, new Mailer($transport), new Mailer($transport, $bus, $events), getenv('REDIS'));
$handlers = [
    Job::class => [$jobs],
    App\SyncJob::class => [$jobs],
    App\InlineJob::class => [$jobs],
    App\Row::class => [new App\RowHandler($jobs)],
    SendEmailMessage::class => [new MessageHandler($transport)],
];

$retries = locator(['async' => new MultiplierRetryStrategy(2, 0)]);
$failed = locator(['async' => $transports['failed']]);
$events->addSubscriber(new AddErrorDetailsStampListener());
$events->addSubscriber(new SendFailedMessageForRetryListener(locator($transports), $retries, null, $events));
$events->addSubscriber(new SendFailedMessageToFailureTransportListener($failed));
$jobs->listen($events);

[, $command] = $argv;
if ('dispatch' === $command) {
    foreach (json_decode($argv[2]) as $arguments) {
        $bus->dispatch(new Job(array_shift($arguments), $arguments));
    }
} elseif ('call' === $command) {
    foreach (json_decode($argv[2]) as $arguments) {
        $jobs->{array_shift($arguments)}(...$arguments);
    }
} else {
    $buses = new RoutableMessageBus(locator(['messenger.bus.default' => $bus]), $bus);
    $console = new Application();
    $console->add(new ConsumeMessagesCommand($buses, locator($transports), $events));
    $console->setCatchExceptions(false);
    $console->run();
}
