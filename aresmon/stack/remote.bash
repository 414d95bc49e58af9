# Run as root on the server of a site, for an aresmon elsewhere. Reads commands from standard input, one a line, and
# answers each with a line; says @end after the last, and ends without it at the first that fails. After `find` or
# `open`, paths are relative to the site's .aresmon folder. A path has no spaces; a folder may.
#
#   find SITE                           @site OWNER FOLDER and @python PATH; @none MESSAGE where no such site runs
#   open FOLDER                         use a site's folder that `find` found
#   read PATH                           @file BASE64 PATH, or @absent PATH
#   certificates PATH                   the same of the certificates in a PEM file: its private key is never printed
#   swap PATH SHA256 BASE64 MODE        @swapped PATH; @changed PATH, with nothing written, where the file's SHA-256
#                                       is another one; - for the SHA-256 of no file, and for a mode that stays
#   delete PATH                         @deleted PATH
set -euo pipefail
shopt -s inherit_errexit 2>/dev/null || true
umask 077
export LC_ALL=C

find_site() {
  local site=$1 folder
  folder=$(docker ps --all --filter "label=com.docker.compose.project=$site" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}' 2>&1 | head -n 1) || true
  case $folder in
    */.aresmon/bundle) ;;
    *)
      echo "@none $folder"
      return
      ;;
  esac
  open_site "${folder%/.aresmon/bundle}"
  echo "@site $(stat -c '%U:%G' "$root") $root"
  echo "@python $(command -v python3 || true)"
}

open_site() {
  root=$1
  cd -- "$root/.aresmon"
}

print_file() {
  local content
  [ -f "$1" ] || { echo "@absent $1" && return; }
  content=$(base64 -w 0 -- "$1")
  echo "@file $content $1"
}

print_certificates() {
  local content
  [ -f "$1" ] || { echo "@absent $1" && return; }
  content=$(sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$1" | base64 -w 0)
  echo "@file $content $1"
}

digest() {
  local line=-
  [ ! -e "$1" ] || line=$(sha256sum <"$1")
  echo "${line%% *}"
}

# Compare and write under the folder's lock, which aresmon on the server takes too (aresmon/system/locked_file.py).
swap_file() {
  local path=${1%% *} rest=${1#* } expected mode content folder found lock
  expected=${rest%% *}
  rest=${rest#* }
  content=${rest%% *}
  mode=${rest#* }
  folder=$(dirname -- "$path")
  exec {lock}<"$folder"
  flock "$lock"
  found=$(digest "$path")
  if [ "$found" = "$expected" ]; then
    write_file "$path" "$folder" "$mode" "$content"
    echo "@swapped $path"
  else
    echo "@changed $path"
  fi
  exec {lock}<&-
}

# A new file gets the owner of its folder; one that is there keeps its own, and its mode where none is given.
write_file() {
  local path=$1 folder=$2 mode=$3 content=$4 new=$1.new
  printf '%s' "$content" | base64 -d >"$new"
  if [ -e "$path" ]; then
    chmod --reference="$path" -- "$new"
    chown --reference="$path" -- "$new"
  else
    chmod 0644 -- "$new"
    chown --reference="$folder" -- "$new"
  fi
  [ "$mode" = - ] || chmod "$mode" -- "$new"
  sync -- "$new"
  mv -T -- "$new" "$path"
}

delete_file() {
  rm -f -- "$1"
  echo "@deleted $1"
}

while read -r verb argument; do
  case $verb in
    find) find_site "$argument" ;;
    open) open_site "$argument" ;;
    read) print_file "$argument" ;;
    certificates) print_certificates "$argument" ;;
    swap) swap_file "$argument" ;;
    delete) delete_file "$argument" ;;
    *)
      echo "unknown command: $verb" >&2
      exit 1
      ;;
  esac
done
echo @end
