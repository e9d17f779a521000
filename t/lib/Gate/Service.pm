package Gate::Service;

# Copyright (C) nginx-gate authors
#
# The example service that takes callbacks, util/payout-service, for the life
# of a suite: at unix:$TEST_NGINX_SERVICE_SOCKET and at
# 127.0.0.1:$TEST_NGINX_SERVICE_PORT.  It is used like Gate::Sim.

use strict;
use warnings;

use parent 'Gate::Sim';

use Gate::Env qw( root );

sub default_name { return 'service' }
sub program      { return root() . '/util/payout-service' }
sub program_args { return () }

1;
