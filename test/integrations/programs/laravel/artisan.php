<?php

// A Laravel application with its real kernel, a queue on Redis and a mailer.
//
//   php artisan.php dispatch [[NAME, ARGUMENT…], …]      puts jobs into the queue
//   php artisan.php call [[NAME, ARGUMENT…], …]          does the same work outside a job
//   php artisan.php queue:work | queue:retry all
//
// The environment has REDIS_PORT, MAIL_PORT, and STORAGE, a folder of its own.

use App\Jobs;
use App\Run;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Console\Kernel;
use Illuminate\Foundation\Exceptions\Handler;

require_once 'Illuminate/autoload.php';
require_once dirname(__DIR__, 4).'/integrations/laravel/MailonceServiceProvider.php';
require __DIR__.'/jobs.php';

$storage = getenv('STORAGE');
foreach (['APP_PACKAGES_CACHE' => 'packages', 'APP_SERVICES_CACHE' => 'services', 'APP_CONFIG_CACHE' => 'config'] as $name => $file) {
    $_ENV[$name] = "$storage/$file.php";
}

$app = new Application(__DIR__);
$app->useStoragePath($storage);
$app->singleton(Illuminate\Contracts\Console\Kernel::class, Kernel::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, Handler::class);

$kernel = $app->make(Illuminate\Contracts\Console\Kernel::class);
$app->booted(function () use ($app) {
    $app->singleton(Jobs::class);
    $app->extend('queue.failer', fn () => new App\FailedJobs());
});
$kernel->command('dispatch {jobs}', function (string $jobs) {
    foreach (json_decode($jobs) as $arguments) {
        dispatch(new Run(array_shift($arguments), $arguments));
    }
});
$kernel->command('call {jobs}', function (string $jobs) {
    foreach (json_decode($jobs) as $arguments) {
        app(Jobs::class)->{array_shift($arguments)}(...$arguments);
    }
});
exit($kernel->handle(new Symfony\Component\Console\Input\ArgvInput(), new Symfony\Component\Console\Output\ConsoleOutput()));
