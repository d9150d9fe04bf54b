<?php

namespace App\Mailonce;

use Symfony\Component\Messenger\Stamp\StampInterface;

/** The id of a message's task. Transports keep it over retries, redelivery and the failure transport. */
final class TaskStamp implements StampInterface
{
    public function __construct(public readonly string $id)
    {
    }
}
