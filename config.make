cat <<END >>$NGX_MAKEFILE

$NGX_OBJS/gate/ngx_http_gate_scripts.h: \\
	$(echo $ngx_addon_dir/src/ledger/lua/*.lua \
	       $ngx_addon_dir/src/ledger/lua/parts/*.lua) \
	$ngx_addon_dir/util/embed-lua $ngx_addon_dir/util/assemble-lua
	sh $ngx_addon_dir/util/embed-lua $ngx_addon_dir/src/ledger/lua/*.lua >\$@.new
	mv \$@.new \$@
END
