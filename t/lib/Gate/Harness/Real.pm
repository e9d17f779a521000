package Gate::Harness::Real;

# Copyright (C) nginx-gate authors
#
# What the real Test::Nginx::Socket needs to run on the nginx at hand.

use strict;
use warnings;

# It writes "http2 on" for each nginx since 1.19.9, though that directive came
# with 1.25.1: until then, it has to see an older version there.

sub use_listen_http2 {
    my $orig = \&Test::Nginx::Util::write_config_file;

    no warnings qw( redefine prototype once );

    *Test::Nginx::Util::write_config_file = sub ($$$) {
        my $version = $Test::Nginx::Util::NginxVersion // 0;

        local $Test::Nginx::Util::NginxVersion =
            $version < 1.025001 && $version > 1.019008 ? 1.019008 : $version;

        return $orig->(@_);
    };
}

use_listen_http2();

1;
