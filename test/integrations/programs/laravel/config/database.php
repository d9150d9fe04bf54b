<?php

return [
    'default' => null,
    'connections' => [],
    'redis' => [
        'client' => 'phpredis',
        'default' => ['host' => '127.0.0.1', 'port' => (int) getenv('REDIS_PORT'), 'database' => 0],
    ],
];
