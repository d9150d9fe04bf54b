<?php

return ['default' => 'redis', 'prefix' => '', 'stores' => ['redis' => ['driver' => 'redis', 'connection' => 'default']]];
