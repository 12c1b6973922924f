package main

// What functions are called with beside single values of every kind: names, then alternatives; `$` stands for each of those
// values.
const callShapes = `
abbrev | 5 .s | 3 .s | 4 .s | 7 .uni | 100 .s | 0 "" | 6 "abcdefg"
abbrevboth | 5 10 .s | 0 7 .s | 5 6 .s | 2 9 .s | 20 10 .s | 5 8 .s | 7 10 "abcdefghijklmno" | 5 10 "short" | -1 5 .s
trunc | 3 .s | -3 .s | 0 .s | 100 .s | -100 .s | 2 .uni | -4 .uni
substr | 0 5 .s | 3 7 .s | -1 4 .s | 3 -1 .s | 6 100 .s | 7 3 .s | 20 25 .s | -1 50 .s | -5 -2 .s | 50 -1 .s
repeat | 3 "ab" | 0 .s | -1 .s | 2 ""
indent nindent | 2 .multi | 0 .s | 4 "" | -1 .s | 1 "\n" | 2 "a\n"
wrap | 5 .s | 0 .s | -1 "ab cd" | 10 "the quick brown fox jumps overthelazydog and more" | 3 "  a  bb  ccc" | 80 .s
wrapWith | 5 "|" .s | 4 "" "abcdefghij kl" | 3 "--" "a bbbbbb cc ddd" | 0 "x" "abc"
replace | " " "-" .s | "" "-" "añb" | "o" "" .s | "x" "y" .s | "ll" "L" .s
contains hasPrefix hasSuffix | "hello" .s | "world" .s | "" .s | "x" "" | .s "hello"
trimAll trimall | "hd" .s | "" .s | "é日" "日本éxé日" | " " "  a b  "
trimSuffix trimPrefix | "world" .s | "hello " .s | "x" .s | "" .s
split splitList | " " .s | "" .uni | "o" .s | "x" .s | "," ",a,,b," | "/" "" | "" ""
splitn | " " 1 .s | " " 0 .s | " " -1 .s | "o" 2 .s | "" 3 "abcdef" | "x" 2 ""
plural | "one" "many" 1 | "one" "many" 0 | "one" "many" 5
quote squote cat | .s 1 .nul 2.5 .t | .l | .m | "a\"b" "c'd" | .uni "\u200b" | 1000000.0 | .e "" | "a\nb\t\\"
join | "," $ | "" .words | "-" .nested
toStrings toString | .uni | (list 1 2.5 "x" nil) | (list "a" "b")
title untitle upper lower swapcase camelcase snakecase kebabcase initials nospace trim | .uni | "fooBar-baz_qux" | "HTTPServer" | "http_server2Go" | "foo bar  Baz" | "  x y\tz\n" | "ABC" | "aBC1D" | "12ab34CD" | "a1b2" | "__foo--Bar__" | "x" | "X" | "hello.world.Foo" | "ßtraße" | "İI" | "o'neil smith-jones" | "日本Go" | "FirstName99Last" | "a_b_c" | "no https" | "1a" | "Foo1Bar2" | "ID" | "userID" | "é" | "A b C" | "...x..y" | "aΒγ" | "fOO1" | "99bottles" | "v1.2.3-alpha" | "- -" | "_" | "a-" | "AB-cd_EF gh"
b64enc b32enc sha1sum sha256sum sha512sum adler32sum | .uni | "a" | "ab" | "abc" | "abcd" | .multi
b64dec | "aGVsbG8=" | "aGVsbG8" | "a" | "aGVs bG8=" | "aGVs\nbG8=" | "####" | "aGVsbG8=x" | "aGVsbG9=" | "YQ==" | "YQ=" | "YQ" | "=" | "YQ==YQ==" | "YWI=YWI=" | "YW*I" | "YWJj" | "YWJjZA==\n"
b32dec | "NBSWY3DP" | "ME======" | "ME=====" | "me======" | "MFRA====" | "M" | "1" | "MFRGG===" | "ME======ME======" | "MFRGGZDF"
atoi | "12" | "-5" | "+5" | "1.5" | "x" | "99999999999999999999" | "-99999999999999999999" | " 1" | "0x10" | "1_0" | "007"
int int64 float64 toDecimal | "1.9" | "12.00" | "0x1F" | "010" | "1_000" | "abc" | "-12" | 1e20 | -1e20 | "1e3" | "9223372036854775808" | true | 777 | "777" | "inf" | "0b11" | " 5" | "0x1p4" | "1_0.5" | .big
add sub mul div mod max min maxf minf addf subf mulf divf | 1 2 | 7 -2 | -7 2 | .n 3 | "5" 2.9 | 10 0 | .f .f | 0.1 0.2 | 1 3.0 | "x" 4 | 1e300 1e-300 | .nul 1 | .t 2 | 2 3.0 | 1.005 100 | -0.5 3 | 10 4
add mul max min maxf minf addf subf mulf divf biggest | 1 2 3 4 | 1.5 2.5 3.5 | 100 3 7 | 9223372036854775807 1 | "3" "4"
add1 add1f floor ceil | 1.5 | -1.5 | "2.7" | 0.1 | 1e18 | -0.2
round | 3.14159 2 | 3.145 2 | -3.5 0 | 2.5 0 | 1234.567 -2 | "2.345" 1 | 2.3 0 0.2 | 2.7 0 0.8 | $ 1 | 123.555555 3 | 0.5 0 | 1.005 2
until | 5 | 0 | -3
untilStep | 0 10 3 | 5 0 -2 | 0 5 -1 | 5 0 1 | 0 0 1 | 1 5 0 | -3 3 2
seq | 5 | -3 | 0 | 1 | 2 5 | 5 2 | 0 2 10 | 10 -3 0 | 0 -1 5 | 5 1 0 | 1 1 1 | 1 2 3 4 | 0 0 5
default | "d" $ | 0 .f | "d" 0 | .nul .nul | "d"
coalesce all any | .nul "" 0 "x" | 0 1 | "" .el .em | .s .n | false
ternary | "a" "b" true | 1 2 false | .l .m .t | "a" "b" "true"
typeIs kindIs typeIsLike | "string" $ | "float64" .n | "int" 1 | "slice" .l | "map" .m | "[]interface {}" .l | "semver.Version" (semver "1.0.0") | "*semver.Version" (semver "1.0.0") | "ptr" (semver "1.0.0") | "invalid" .nul | "<nil>" .nul
deepEqual | .m .m | .l .l | 1 1.0 | 1 1 | "a" "a" | (list 1 2) (list 1 2) | (list) .el | .nul .nul | .e .nul | (dict) .em | .n .n
list tuple | 1 "a" .nul 2.5 | .l .m
append push mustAppend mustPush prepend mustPrepend | $ "x" | .l .l | .words 1 | (until 2) "a" | .nul 1
concat | .l .words | .el .el | .nums (list) | .l .s | .l .nul
without mustWithout | .words "two" | .l .nul 3.0 | .nums 3.0 1.0 | .words | $ "x" | (list 1 2 3) 2
has mustHas | "two" .words | 3.0 .nums | 3 .nums | .nul .l | "x" $ | "" .l
slice mustSlice | .words 1 | .words 1 2 | .words 0 0 | .words 5 | .words 2 1 | .words -1 | (list 1 2 3) 1 "2" | .el 1 | .s 1 2 | (until 5) 2
chunk mustChunk | 2 .words | 3 .l | 1 .nums | 10 .nums | 2 .el | 0 .nums | -1 .nums | 2 .s
sortAlpha uniq reverse compact first last rest initial mustUniq mustCompact mustReverse mustFirst mustLast mustRest mustInitial | (list "b" "a" "C" "10" "9") | (list 1 1.0 "1" 1) | (list) | (until 3) | (splitList "," "x,,y") | .nested | (list (dict "a" 1) (dict "a" 1) (dict "b" 2)) | (list nil nil)
dict | "a" 1 "b" 2 | "a" | 1 2 | "a" .m "a" 2 | .nul 1 | 1.5 "x" .l "y"
get hasKey pluck | .m "k" | .m "zz" | .m "z" | (dict) "a"
pluck | "a" (index .maps 0) (index .maps 1) | "k" .m .m | "a"
set | .m "new" 1 | .m "k" .nul | (dict) "a" .l
unset | .m "k" | .m "zz"
pick omit | .m "k" | .m "k" "n" | .m "zz" | .m | .m 1
keys | (dict "x" 1)
values | (dict "a" 1 "b" 2)
merge mustMerge mergeOverwrite mustMergeOverwrite | (dict "a" 1) (dict "a" 2 "b" 3) | (dict "a" 0 "b" "" "c" nil "d" false) (dict "a" 2 "b" "x" "c" 1 "d" true) | (dict "a" 2) (dict "a" 0) | (dict "a" (dict "x" 1)) (dict "a" (dict "x" 2 "y" 3)) | (dict "a" (dict "x" 1)) (dict "a" "s") | (dict "a" "s") (dict "a" (dict "x" 1)) | (dict "a" (list 1)) (dict "a" (list 2 3)) | (dict "a" (list)) (dict "a" (list 1)) | (dict "a" (list 1)) (dict "a" (list)) | (dict "a" 1) (dict "a" nil) | (dict) (dict "a" nil "b" 1) | (dict "a" nil) (dict "a" (dict "b" 1)) | (dict "a" (dict)) (dict "a" (dict "b" 1)) | (dict "a" (dict "b" 1)) (dict "a" (dict)) | (dict "a" 1) (dict "b" 2) (dict "a" 3 "b" 4 "c" 5) | (dict "a" "x") (dict "a" (list 1)) | (dict "a" (list 1)) (dict "a" "x") | (dict "a" (dict "b" (dict "c" 1 "d" nil))) (dict "a" (dict "b" (dict "c" 2 "d" 3 "e" (list)))) | .m .m | (dict) | (dict "a" "") (dict "a" (list 1)) | (dict "a" nil) (dict "a" nil) | (dict "z" 1) (dict "l" (list 1 2)) | (dict "a" false) (dict "a" (dict "q" 1)) | (dict "v" (semver "1.0.0")) (dict "v" (semver "2.0.0"))
deepCopy mustDeepCopy | .m | .l | .nested | (list nil) | (dict "a" nil)
dig | "m" "a" "b" "def" .m | "x" "def" .m | "m" "zz" "b" "def" .m | "k" "x" "def" .m | "z" "x" "def" .m | "def" .m | "k" "def" .m | "k" "def" .l | 1 "def" .m | "m" "l" "q" "def" .m
regexMatch mustRegexMatch regexFind mustRegexFind | "^h.*d$" .s | "o w" .s | "[" .s | "(a" "a" | "a)" "a" | "\\d+" "a12b" | "\\w+" "é_a" | "(?i)HELLO" .s | "\\bworld\\b" .s | "[[:alpha:]]+" "12ab" | "*a" "a" | "a**" "a" | "\\y" "y" | "[z-a]" "b" | "a{1001}" "a" | "x{2,1}" "x" | "\\" "a" | "(?=a)" "a" | "(?<n>a)" "a" | "\\pL+" "1é" | "\\p{Greek}" "α" | "\\Qa.b\\E" "a.b" | "[^\\s]+" " ab " | "a{,2}" "a{,2}" | "a|b|" "c" | "\\x41" "A" | "[\\w.-]+@x" "me.y-z@x" | "(?P<y>\\d)" "7" | "[]a]" "]" | "[a" "a" | "\\z" "" | "(?s)a.b" "a\nb" | "(?m)^b$" "a\nb" | "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" "my-name" | "\\-" "-" | "[&&a]" "&" | "a{2}{3}" "a" | "(?i:É)" "é" | "x*" "" | "()" "" | "[a-\\d]" "a" | "\\8" "8" | "a++" "a" | "(?z)" "a" | "[[:foo:]]" "a" | "\\p{Foo}" "a" | "$^" ""
regexFindAll mustRegexFindAll | "[a-z]+" .s -1 | "l" .s 2 | "x" .s -1 | "a*" "baaac" -1 | "o" .s 0 | "[" .s 1 | "" "ab" -1
regexReplaceAll mustRegexReplaceAll regexReplaceAllLiteral mustRegexReplaceAllLiteral | "l+" .s "L" | "(h)(e)" .s "$2$1" | "(h)(e)" .s "${2}x$1x" | "a*" "baaac" "-" | "(?P<n>o)" .s "[$n]" | "x" .s "y" | "o" .s "$" | "o" .s "$$" | "o" .s "$9" | "[" .s "" | "" "ab" "-" | "\\W+" "a b-c" "_" | "[^a-z0-9]+" "Foo Bar!" "-" | "(l)" .s "${1" | "o" .s "\\1"
regexSplit mustRegexSplit | "o" .s -1 | "o" .s 2 | "o" .s 0 | "x" .s -1 | "" "abc" -1 | "l+" .s 1 | "z+" "" -1 | "a" "aba" -1 | "[" "" 1
regexQuoteMeta | "a.b*c[d]" | "" | "é$^|\\"
semver | "1.2.3" | "v1.2" | "1" | "1.2.3-rc.1+b5" | "x" | "1.2.3.4" | "01.2.3" | "1.2.3-01" | "" | "1.2.3+" | "99999999999999999999.1.1" | " 1.2.3"
semverCompare | ">=1.2.3" "1.2.3" | "^1.2" "1.9.0" | "~1.2.3" "1.2.9" | "~1.2.3" "1.3.0" | "1.x" "1.5" | "*" "1.2.3-rc1" | ">=1.0.0-0" "1.2.3-rc1" | ">1.2 <2" "1.5.0" | ">= 1.2, < 2" "2.0.0" | "1.2 - 1.4" "1.4.5" | "1.2 || 2.0" "2.0.0" | "!=1.2.3" "1.2.3" | "=1.2.3" "1.2.3+meta" | "^0.2" "0.3.0" | "^0.0.3" "0.0.4" | "x" "1.0.0" | ">=1.19" "v1.33.0" | ">=1.19-0" "v1.33.0-gke.1" | ">=1" "x" | "<1.21-0" "1.20.9" | "> 1.2" "1.2.5" | "<= 1.2" "1.2.5" | "!=1.2" "1.2.5" | "~1" "1.9" | "~>2.1" "2.2" | "=<1" "1.0" | "" "1.0.0" | ">=1.2.3-beta.2" "1.2.3-beta.11" | ">= 1.16-0, < 1.22-0" "1.21.5" | "^1.2.3-alpha" "1.2.3-beta" | "1.2.3 1.2.4" "1.2.3" | "^0" "0.9.0" | "!1" "1.0.0" | ">=1.2.x" "1.2.0" | "<2.x" "1.9"
base dir ext clean isAbs osBase osDir osExt osClean osIsAbs | "/a/b.c" | "a/b/" | "/" | "a" | "../a/./b//c/.." | "a/../../b" | ".." | ".bashrc" | "a.tar.gz" | "/.." | "//a" | "a.b/c" | "." | "./"
urlParse | "http://user:p%40ss@host:80/p%20a/b?q=1&r#frag" | "mailto:a@b.c" | "/rel/path?x" | "//host/x" | "http://[::1]:8080/x" | "http://host:port/" | "::" | "http://a b/" | "a:b:c" | "http://x/%zz" | "1http://x" | "HTTP://X/Y" | "http://host?" | "http://h/a%2Fb" | "http://u@h" | "x://" | "http://h/#" | "http://h/ü?ü#ü" | "redis://:secret@r:6379/0" | "\u007f" | "http://h:/" | "?q" | "#f" | "*"
urlJoin | (urlParse "http://user:p%40ss@host:80/p%20a/b?q=1&r#frag") | (dict "host" "h" "path" "p") | (dict "scheme" "http" "host" "h" "path" "/a b/ü" "query" "q=1" "fragment" "f g" "userinfo" "u:p w") | (dict "scheme" "x" "opaque" "o") | (dict "host" 1) | (dict "host" nil) | (dict "path" "a:b") | (dict "scheme" "http" "path" "/x") | (dict "host" "h" "userinfo" "a b") | (dict "scheme" "http" "host" "h" "path" "/a!b*c(d)[e]")
toJson mustToJson toRawJson mustToRawJson toPrettyJson mustToPrettyJson toYaml mustToYaml toYamlPretty toToml | .html | .uni | .nested | (list 1 1.5 1e21 1e-7 -0.0 100000000.0) | (dict "a" (list)) | (list nil) | (dict "b" (dict "c" (list 1 (dict "d" nil))) "a" "x\ny") | (b64dec "/w==") | (semver "1.2") | (until 3) | (dict "a.b" 1 "c d" "é\"\\") | .multi | (dict "m" .m "l" .maps "n" .n "f" .f) | (rest (list)) | (toDate "2006-01-02" "2023-11-14") | (dict "t" (toDate "2006-01-02" "2023-11-14")) | (list (dict "a" 1) 2) | "\u0000\u001f\u007f" | (float64 "inf") | .
toToml | (dict "a" (list (dict "b" 1 "c" (dict "d" 2)) (dict "b" 3))) | (dict "a" (dict "b" (dict "c" 1) "d" 2) "z" true) | (dict "" 1 "a b" 2) | (dict "a" (list 1 "x" (list 2.0))) | (dict "a" (list nil)) | (dict "a" nil "b" (dict)) | (dict "a" 1.0 "b" 1e6 "c" "q\"\n\t") | (dict "a" (list (list (dict "x" 1))))
fromJson mustFromJson fromJsonArray | .json | "[1,2]" | "{" | "nope" | "" | "{\"a\":}" | "{\"a\" 1}" | "[1 2]" | "1" | "null" | "\"\\u00e9\\ud83d\\ude00\\ud800\"" | "{\"a\":1}x" | "[1,]" | "{\"a\":1,}" | "01" | "1.e" | "tru" | "\"a\nb\"" | "\"\\x\"" | "{\"a\":1,\"a\":2}" | " [ ] " | "-" | "{'a':1}" | "\"\\u12\"" | "nullx" | "[1e5,-0,1.50]"
mustFromJson | "1e999"
fromYaml fromYamlArray | .yaml | "- a\n- 1" | "a: b: c" | "" | "null" | "a" | "[1, 2" | "{{ x }}: 1" | "a: 1\na: 2" | "1: x\ntrue: y" | "a: .inf" | "a: 0777\nb: 1e3\nc: 12345678901" | "\ta: 1" | "a:\n  b: 1\n c: 2" | "- 1\n- {a: [b]}" | "a: !!binary aGk=" | "---\na: 1\n---\nb: 2"
fromToml | "a = 1\nb = \"x\"\n[c]\nd = [1,2]\n[[e]]\nf = 1.5\n" | "" | "a = true\nb = 1979-05-27T07:32:00Z" | "x.y = 1" | "a = [ {b = 1}, {b = 2} ]"
duration | "90" | "3600" | "x" | 90 | (int64 90) | "-61" | "100000"
durationRound | "2h10m5s" | "1s" | "2s" | "30h" | "2400h" | "9000h" | "x" | (int64 90000000000) | "-5m" | "61m" | "1.5h"
date htmlDate | "2006-01-02" (int64 1700000000) | (int64 1700000000) | "15:04 MST" 1700000000
dateModify date_modify mustDateModify must_date_modify | "1h" (toDate "2006-01-02" "2023-11-14") | "-1.5h30m" (toDate "2006-01-02" "2023-11-14") | "x" (toDate "2006-01-02" "2023-11-14") | "1" (toDate "2006-01-02" "2023-11-14") | "" (toDate "2006-01-02" "2023-11-14") | "3d" (toDate "2006-01-02" "2023-11-14") | "1us" (toDate "2006-01-02" "2023-11-14")
dateInZone date_in_zone | "2006-01-02 15:04 MST -0700" (int64 1700000000) "Europe/Berlin" | "2006" (int64 0) "" | "02 Jan" (toDate "2006-01-02" "2023-11-14") "UTC"
htmlDateInZone | (int64 1700000000) "Asia/Tokyo"
unixEpoch | (toDate "2006-01-02" "2023-11-14") | (toDate "x" "y")
len index print println printf html js urlquery eq ne lt and or not | .s | .l | .m | "a" "b" | 1 1 | "%v" .m | .l 1 | .m "k"
`

// Templates in which values are printed or functions work together.
const callTexts = `
{{ $v := semver "v1.2.3-rc.1+b" }}{{ $v.Major }} {{ $v.Minor }} {{ $v.Patch }} {{ $v.Prerelease }} {{ $v.Metadata }} {{ $v.Original }} {{ $v }} {{ $v.IncMinor }} {{ $v.IncPatch.Original }}
{{ $a := semver "1.2.3" }}{{ $b := semver "1.3" }}{{ $a.Compare $b }} {{ $a.Equal $b }} {{ $a.LessThan $b }} {{ $a.GreaterThan $b }}
{{ (semver "1.2.3").Nope }}
{{ $t := toDate "2006-01-02 15:04" "2023-11-14 22:13" }}{{ $t }} {{ $t.Year }} {{ $t.Month }} {{ $t.Day }} {{ $t.Weekday }} {{ $t.YearDay }} {{ $t.Unix }} {{ $t.Format "Jan 2" }} {{ printf "%d" $t.Month }}
{{ $t := toDate "2006-01-02" "2024-01-31" }}{{ ($t.AddDate 0 1 0).Format "2006-01-02" }} {{ ($t.AddDate 1 -1 1).Format "2006-01-02" }} {{ $t.IsZero }} {{ typeOf $t }} {{ kindOf $t }}
{{ $a := toDate "2006-01-02" "2024-01-31" }}{{ $b := toDate "2006-01-02" "2024-01-30" }}{{ $a.Sub $b }} {{ $a.After $b }} {{ ($a.Sub $b).Hours }} {{ typeOf ($a.Sub $b) }}
{{ toDate "x" "y" }}
{{ $d := dict "a" 1 }}{{ $_ := set $d "b" 2 }}{{ $d }} {{ $e := $d }}{{ $_ := unset $e "a" }}{{ $d }}
{{ $a := dict "x" (dict "y" 1) }}{{ $b := dict }}{{ $_ := merge $b $a }}{{ $_ := set $b.x "z" 2 }}{{ $a }}
{{ $a := dict "x" (dict "y" 1) }}{{ $b := deepCopy $a }}{{ $_ := set $b.x "z" 2 }}{{ $a }}
{{ .l }} {{ .m }} {{ .nums }} {{ .nested }} {{ list nil 1 }} {{ until 3 }} {{ split "," "a,b" }} {{ rest (list) }}
{{ printf "%T %T %T %T %T" (until 1) (splitList "," "a") (split "," "a") (chunk 1 .l) (keys .m) }}
{{ printf "%T %T %T %T" (add 1) (int "1") (float64 1) (floor 1) }}
{{ $s := split "/" "a/b" }}{{ $s._0 }}{{ $s._1 }}{{ $s._2 }}
{{ with urlParse "http://a:1/b" }}{{ .host }} {{ .hostname }} {{ .path }}{{ end }}
{{ range $i, $c := chunk 2 .words }}{{ $i }}:{{ join "," $c }};{{ end }}
{{ derivePassword 1 "long" "password" "user" "example.com" }} {{ derivePassword 2 "maximum" "p" "u" "s" }} {{ derivePassword 1 "pin" "p" "u" "s" }} {{ derivePassword 1 "nope" "p" "u" "s" }}
{{ decryptAES "secretkey" "30tEfhuJSVRhpG97XCuWgz2okj7L8vQ1s6V9zVUPeDQ=" }}
{{ decryptAES "k" "" }}|{{ encryptAES "k" "" }}
{{ decryptAES "k" "YQ==" }}
{{ htpasswd "a:b" "c" }} {{ genPrivateKey "nope" }}
{{ buildCustomCert "*" "" }}
{{ buildCustomCert "YQ==" "YQ==" }}
{{ genSignedCert "x" nil nil 1 (genCA "a" 1).Key }}
{{ genSelfSignedCert "x" (list 1) nil 1 }}
{{ genSelfSignedCert "x" (list "300.1.1.1") nil 1 }}
{{ genSelfSignedCert "x" nil (list 1) 1 }}
{{ genCAWithKey "x" 1 "nope" }}
{{ $ca := buildCustomCert (b64enc "x") "" }}
{{ toYaml .m | nindent 2 }} {{ toYaml (dict "a" (list 1 2)) | indent 4 }}
{{ fromYaml .yaml | toYaml }} {{ (fromYaml .yaml).b | len }} {{ (fromYaml "a: b: c").Error }} {{ index (fromYamlArray "a: b") 0 }}
{{ (fromJson .json).a | toString }} {{ (fromJson "{").Error }} {{ index (fromJsonArray "{}") 0 }}
{{ "a" | default "b" }} {{ "" | default "b" }} {{ .nope | default "c" }} {{ .nope.x | default "d" }}
{{ randInt 5 5 }}
{{ list 1 2 | first }} {{ list | first }} {{ list | last | default "none" }}
{{ ternary "x" "y" .nope }}
{{ keys (dict "b" 1) | sortAlpha }} {{ values (dict "a" 1) }}
{{ hello }} {{ hello 1 }}
{{ min 3 1 2 | quote }} {{ max 1.9 1 }} {{ div 7 2 }} {{ mod -7 3 }} {{ round 2.5 0 }} {{ addf 0.1 0.2 }} {{ divf 10 3 }} {{ mulf 1.1 1.1 }}
{{ fromToml "a = [1, 2]\n[b]\nc = 1.0" }}
{{ cat 1 "a" nil .m }}{{ cat }}
`
