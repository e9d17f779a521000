# nginx-gate
#
#   make            the module for Debian's nginx, and gatesig
#   make demo       shows payouts and callbacks at work, then stops everything
#   make up, down   leaves it running at ports 8080, 9080 and 9000; stops it;
#                   SERVICE=http://127.0.0.1:3000/... gets the callbacks
#   make test       all tests
#   make explore    the ledger's scripts in all orders of small scenarios:
#                   STATES=25000 of each, SCENARIO="two copies" for one;
#                   MUTATE=1 shows which faults would be found
#   make fuzz       libFuzzer on all that is parsed: SECONDS=60 for each target,
#                   TARGETS="payout callback" for some of them
#   make bench      the cost of a request, as ratios to plain proxy_pass
#   make asan       nginx with the module under ASan and UBSan
#   make NGX_SRC=D  the module and nginx from the source tree D, dynamic and
#                   static; NGX_FLAGS adds flags for nginx's configure
#   make deb        the Debian package, in build/deb
#   make install    DESTDIR and PREFIX are honored
#   make clean

NGX_SRC ?=
CFLAGS ?= -g -O2
SECONDS ?= 60
TARGETS ?=
PREFIX ?= /usr
MODULES_DIR ?= /usr/lib/nginx/modules

core = $(wildcard src/core/*.c)
tools = $(wildcard tools/*.[ch])
core_h = $(wildcard src/core/*.h)
module = build/ngx_http_gate_module.so
lua = $(patsubst src/ledger/%,build/%,$(wildcard src/ledger/lua/*.lua))

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
export CC

.PHONY: all deps scripts module asan demo up down test explore fuzz bench deb install clean

all: module build/gatesig scripts

deps:
	@util/deps build

module: deps
	@util/layout
ifeq ($(NGX_SRC),)
	@util/build debian
	@cp -u --remove-destination build/debian/ngx_http_gate_module.so $(module)
else
	@util/build dynamic "$(NGX_SRC)"
	@util/build static "$(NGX_SRC)"
	@cp -u --remove-destination build/dynamic/ngx_http_gate_module.so $(module)
	@cp -u --remove-destination build/dynamic/nginx build/nginx
	@cp -u --remove-destination build/static/nginx build/nginx-static
endif
	@ls $(module)

build/gatesig: $(tools) $(core) $(core_h) | deps
	@mkdir -p build
	@$(CC) -std=c99 $(CFLAGS) -Wall -Wextra -Werror -Isrc/core -o $@ \
	    $(filter %.c,$(tools)) $(core) -lyajl -lcrypto
	@ls $@

scripts: $(lua)

build/lua/%.lua: src/ledger/lua/%.lua $(wildcard src/ledger/lua/parts/*.lua) \
    util/assemble-lua
	@mkdir -p build/lua
	@util/assemble-lua $< >$@.new && mv $@.new $@

asan: deps
	@src=$${NGX_SRC:-$$(util/nginx-source)} && util/build asan "$$src"

demo: all
	@util/deps run
	@util/demo run

up: all
	@util/deps run
	@util/demo up

down:
	@util/demo down

test: all
	@util/deps run test
	@util/test

explore:
	@util/deps run test
	@t/explore/run

fuzz:
	@util/deps build run fuzz
	@CLANG=clang-14 t/fuzz/run fuzz $(SECONDS) $(TARGETS)

bench: all
	@util/deps run bench
	@bench/run

deb:
	@util/deb build

install: all
	install -d "$(DESTDIR)$(MODULES_DIR)" "$(DESTDIR)$(PREFIX)/bin" \
	    "$(DESTDIR)$(PREFIX)/share/man/man1" \
	    "$(DESTDIR)$(PREFIX)/share/man/man5" \
	    "$(DESTDIR)$(PREFIX)/share/nginx-gate"
	install -m 644 $(module) "$(DESTDIR)$(MODULES_DIR)/"
	install -m 755 build/gatesig "$(DESTDIR)$(PREFIX)/bin/"
	install -m 644 doc/gatesig.1 "$(DESTDIR)$(PREFIX)/share/man/man1/"
	install -m 644 doc/ngx_http_gate_module.5 \
	    "$(DESTDIR)$(PREFIX)/share/man/man5/"
	install -m 644 $(lua) "$(DESTDIR)$(PREFIX)/share/nginx-gate/"

clean:
	rm -rf build
