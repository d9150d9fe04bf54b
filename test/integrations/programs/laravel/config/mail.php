<?php

return [
    'default' => 'smtp',
    'mailers' => ['smtp' => ['transport' => 'smtp', 'host' => '127.0.0.1', 'port' => (int) getenv('MAIL_PORT'), 'encryption' => null]],
    'from' => ['address' => 'shop@example.com', 'name' => 'Shop'],
];
