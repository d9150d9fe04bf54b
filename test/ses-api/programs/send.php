<?php
// Sends one task's mail twice by AsyncAws alone, and twice by Symfony Mailer with it, whose transport is always TLS.
//
//     php send.php PLAIN-URL TLS-PORT TASK RECIPIENT

use AsyncAws\Ses\SesClient;
use AsyncAws\Ses\ValueObject\Body;
use AsyncAws\Ses\ValueObject\Content;
use AsyncAws\Ses\ValueObject\Destination;
use AsyncAws\Ses\ValueObject\EmailContent;
use AsyncAws\Ses\ValueObject\Message;
use AsyncAws\Ses\ValueObject\MessageTag;
use Symfony\Component\HttpClient\HttpClient;
use Symfony\Component\Mailer\Bridge\Amazon\Transport\SesTransportFactory;
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport\Dsn;
use Symfony\Component\Mime\Email;

require 'AsyncAws/Ses/autoload.php';
require 'Symfony/Component/HttpClient/autoload.php';
require 'Symfony/Component/Mailer/Bridge/Amazon/autoload.php';

[, $url, $port, $task, $recipient] = $argv;

$client = new SesClient(['endpoint' => $url, 'region' => 'eu-west-1']);
for ($time = 0; $time < 2; ++$time) {
    echo $client->sendEmail([
        'FromEmailAddress' => 'app@sender.example',
        'Destination' => new Destination(['ToAddresses' => [$recipient]]),
        'Content' => new EmailContent(['Simple' => new Message([
            'Subject' => new Content(['Data' => 'News']),
            'Body' => new Body(['Text' => new Content(['Data' => 'Hello.'])]),
        ])]),
        'EmailTags' => [new MessageTag(['Name' => 'task-id', 'Value' => $task])],
    ])->getMessageId(), "\n";
}

$key = [getenv('AWS_ACCESS_KEY_ID'), getenv('AWS_SECRET_ACCESS_KEY')];
$http = HttpClient::create(['verify_peer' => false, 'verify_host' => false]);
$dsn = new Dsn('ses+https', '127.0.0.1', $key[0], $key[1], (int) $port, ['region' => 'eu-west-1']);
$mailer = new Mailer((new SesTransportFactory(null, $http))->create($dsn));
for ($time = 0; $time < 2; ++$time) {
    $mail = (new Email())->from('app@sender.example')->to($recipient)->subject('News')->text('Hello.');
    $mail->getHeaders()->addTextHeader('X-Task-Id', $task);
    $mailer->send($mail);
}
