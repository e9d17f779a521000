# Cuts conf.example to docker-compose.yml:
#     sed -f docker/nginx.sed conf.example
# Nothing is run as root here, so there is no user, and no port below 1024.

/^user /d
s|^error_log .*|error_log        stderr notice;|
s|^pid .*|pid              /var/lib/nginx/nginx.pid;|
s|/var/log/nginx/access.log|/dev/stdout|

# written by docker/gateway

s|^    resolver  *127.*|    include          /var/lib/nginx/resolver.conf;|

# compose mounts secrets there

s|secrets/kz|/run/secrets/kz|
s|secrets/cards|/run/secrets/cards|

# a container is reached from its networks: Gate's is not for payouts; compose
# publishes this port on the loopback address of the host only

s|listen 127.0.0.1:8080;|listen 8080;\
        deny   203.0.113.0/24;|

# Gate is the simulator

s|api.example.com:443;|api.example.com:8443;|
s|/etc/ssl/certs/ca-certificates.crt|tls/ca.crt|

s|listen      443 ssl;|listen      8443 ssl;|
s|server    127.0.0.1:9000;|server    service:9000;|

s|;  *# CHANGE$|;|

# for docker/healthy


/^    # INBOUND/i\
    server {\
        listen     127.0.0.1:8081;\
        access_log off;\
\
        location = /healthy {\
            return 204;\
        }\
    }\
\

