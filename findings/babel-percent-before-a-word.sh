#!/usr/bin/env bash
# Babel 2.19.0: guess: a text whose places are braces is checked as a text with braces. Seen: where a percent sign stands
# before a space and a word ("{percent} % goes back"), "% g" is also taken for a place of printf, the right German
# translation is an error ("placeholders are incompatible") and `pybabel compile` ends with 1; it writes the file all the
# same, and gettext then gives that translation.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env && env/bin/pip install --quiet babel==2.19.0
cat > shop.py <<'PY'
REFUND = _("Cancel in time: {percent} % goes back.")
PY
env/bin/pybabel --quiet extract --output shop.pot shop.py
grep -q "python-brace-format, python-format" shop.pot && echo "flagged as both kinds of format"
mkdir -p de/LC_MESSAGES
cat > de/LC_MESSAGES/messages.po <<'PO'
msgid ""
msgstr ""
"Language: de\n"
"Content-Type: text/plain; charset=utf-8\n"

#, python-brace-format, python-format
msgid "Cancel in time: {percent} % goes back."
msgstr "Rechtzeitig storniert: {percent} % werden erstattet."
PO
code=0; said=$(env/bin/pybabel compile --directory . 2>&1) || code=$?
echo "$said" | grep -o "placeholders are incompatible"; echo "exit code $code"
given=$(env/bin/python -c '
import gettext
print(gettext.translation("messages", ".", ["de"]).gettext("Cancel in time: {percent} % goes back.").format(percent=50))')
echo "$given"
[ "$code" = 1 ] && [ "$given" = "Rechtzeitig storniert: 50 % werden erstattet." ]
