<?php

return [
    'default' => 'redis',
    'connections' => [
        'sync' => ['driver' => 'sync'],
        // What a worker that died had is taken again after a second.
        'redis' => ['driver' => 'redis', 'connection' => 'default', 'queue' => 'default', 'retry_after' => 1, 'block_for' => null],
    ],
    'failed' => ['driver' => 'null'],
];
