# The backends' web servers: a real nginx each. Sourced by scripts/lab.
# shellcheck shell=bash disable=SC2154

make_web_servers() {
  local i
  mkdir -p "$state/files"
  head -c 10M /dev/urandom >"$state/files/10MiB"
  for ((i = 1; i <= backends; i++)); do
    make_web_server "web$i"
  done
}

make_web_server() {
  local directory=$state/$1
  mkdir -p "$directory/upload" "$directory/temp"
  chown www-data "$directory/upload" "$directory/temp"
  web_config "$1" "$directory" >"$directory/nginx.conf"
  inside "$1" nginx -e "$directory/error.log" -c "$directory/nginx.conf" 9>&-
}

# Says its name in each answer; without keep-alive, so that each request is a connection of its own.
web_config() {
  cat <<NGINX
user www-data;
worker_processes 1;
pid $2/pid;
error_log $2/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_timeout 0;
  client_max_body_size 64m;
  client_body_temp_path $2/temp/body;
  proxy_temp_path $2/temp/proxy;
  fastcgi_temp_path $2/temp/fastcgi;
  scgi_temp_path $2/temp/scgi;
  uwsgi_temp_path $2/temp/uwsgi;
  server {
    listen 80 backlog=4096;
    listen [::]:80 backlog=4096;
    add_header X-Backend $1 always;
    location / { return 200 "$1\n"; }
    location /files/ { alias $state/files/; }
    location /slow/ { alias $state/files/; limit_rate 512k; }
    location /upload/ { alias $2/upload/; dav_methods PUT; }
  }
}
NGINX
}
