# Run on the server, for an aresmon elsewhere: where the site of this name is, and the files of it that are wanted.
# Standard input: the site's name, then the wanted paths, relative to the site's folder, then an empty line.
set -u
export LC_ALL=C
read -r site
folder=$(docker ps --all --filter "label=com.docker.compose.project=$site" \
  --format '{{.Label "com.docker.compose.project.working_dir"}}' 2>&1 | head -n 1)
case $folder in
  */.aresmon/bundle) root=${folder%/.aresmon/bundle} ;;
  *)
    echo "@none $folder"
    exit
    ;;
esac
echo "@root $(stat -c '%U:%G' "$root") $root"
while IFS= read -r path && [ -n "$path" ]; do
  [ -f "$root/$path" ] && echo "@file $(base64 -w 0 "$root/$path") $path"
done
echo "@end $(command -v python3)"
