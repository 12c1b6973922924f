package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

type writeCase struct {
	// The value, as JSON.
	In json.RawMessage `json:"in"`
	// What toYaml and toYamlPretty give; Pretty is left out where it is the same.
	Yaml   string  `json:"yaml"`
	Pretty *string `json:"pretty,omitempty"`
}

func yamlWriteCases() []writeCase {
	functions := helmFunctions()
	toYaml := functions["toYaml"].(func(any) string)
	pretty := functions["toYamlPretty"].(func(any) string)
	var cases []writeCase
	add := func(value any) {
		in, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		var decoded any
		if err := json.Unmarshal(in, &decoded); err != nil {
			panic(err)
		}
		c := writeCase{In: in, Yaml: toYaml(decoded)}
		p := pretty(decoded)
		// Some keys have no order, and Go's answer changes with that of its maps.
		for range 20 {
			if toYaml(decoded) != c.Yaml || pretty(decoded) != p {
				return
			}
		}
		if p != c.Yaml {
			c.Pretty = &p
		}
		cases = append(cases, c)
	}
	// Scalars in lists of ten, each also as a key.
	scalars := trickyScalars()
	for len(scalars) > 0 {
		n := min(10, len(scalars))
		add(scalars[:n])
		keys := map[string]any{}
		for i, s := range scalars[:n] {
			keys[s] = i
		}
		add(keys)
		scalars = scalars[n:]
	}
	add(map[string]any{"numbers": []any{0, -0.0, 1, -1, 1.5, 8080, 100000, 1000000, 12345678, 1e20, 1e21, 1.5e300, 1e-5, 1e-7,
		0.1, 123456789.125, -2.5e-9, 9007199254740993.0, 18446744073709551615.0, 9223372036854775807.0, 3.14159, 1234567.5}})
	for _, doc := range trickyStructures {
		var value any
		if err := json.Unmarshal([]byte(doc), &value); err != nil {
			panic(fmt.Sprint(doc, err))
		}
		add(value)
	}
	return cases
}

func trickyScalars() []string {
	scalars := []string{"", " ", "a", "~", "null", "Null", "NULL", "nUll", "y", "Y", "yes", "Yes", "YES", "yEs", "on", "On", "ON",
		"n", "N", "no", "No", "NO", "off", "Off", "OFF", "true", "True", "TRUE", "tRue", "false", "False", "FALSE",
		".nan", ".NaN", ".NAN", ".inf", "+.inf", "-.inf", ".Inf", "<<", "=", "0", "-0", "+0", "1", "01", "08", "0x1F", "0X1f",
		"0b11", "0o17", "-0b11", "0b", "0x", "0b+1", "0o+7", "-0o7", "1_000", "_1", "1_", "1__0", "-_1", "1e3", "1E3", "1e+3", "1e-3", "1e", "1.",
		".5", ".5_0", "._5", "5.", "1.5", "1_0.5", "-1.5", "+1.5", "1e400", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1:20", "1:20:30", "1:60",
		"1:5", "1:20.5", "-1:20", "190:20:30.15", "1:2:", "::", "2020-01-01", "2020-1-1", "2020-13-01", "2020-02-30", "2020-02-29",
		"2021-02-29", "2020-01-01T00:00:00Z", "2020-01-01t0:0:0Z", "2020-01-01 00:00:00", "2020-01-01 00:00:00.5",
		"2020-01-01T00:00:00+01:00", "2020-01-01T00:00:00", "2020-01-01T24:00:00Z", "20-01-01", "2020-01-01 ", "1.2.3", "v1",
		"-", "--", "---", "--- a", "...", "....", "- a", "-a", "?", "? a", "?a", ":", ": a", ":a", "a:", "a: b", "a:b", "a :b", "a #b",
		"a# b", "#a", "&a", "*a", "!a", "!!str", "|", ">", "|a", "%a", "@a", "`a`", "'a'", "\"a\"", "it's", "a'b", "a\"b", "a\\b",
		"[", "]", "{", "}", "[a]", "{a}", "{a: b}", ",", ",a", "a,b", "a, b", "{{ a }}", " a", "a ", "a  b", "\t", "\ta", "a\t", "a\tb", "a: \tb",
		"\n", "\n\n", "a\n", "a\nb", "a\nb\n", "a\nb\n\n", "\na", "\n a", " a\nb", "a \nb", "a\n b", "a\n\nb", "a\n  b\nc\n", "a\tb\nc",
		"\ta\nb", "a\nb ", "a\n ", "a\r\nb", "a\rb", "#a\nb", "- a\n- b\n", "key: value\nother: value", "é", "é\nè", "日本語",
		"😀", "a😀b\nc", "\u0085", "a\u0085b", "a \u0085 b", "a\u0085\u0085b", "\u00a0", "\u2028", "a\u2028b", "a\u2029b\nc", "\ufeff", "\ufeffa b", "a\ufeffb",
		"\u0000", "\u0007", "\u001b[0m", "\u007f", "\u0080", "\ufffd", "\ufffe", "foo\u0001bar", "<a&b>", "a/b", "$a", "(a)", "a;b", "a=b", "^a$", "+", "+a",
		".", ".a", "..", "1a", "0.0.0.0", "127.0.0.1:80", "10.0.0.0/8", "::1", "12e03", "12e", "1-2", "1+1", "0xZZ", "Infinity", "NaN", "nan",
		"inf", "True ", "yes\n", "1\n", strings.Repeat("k", 128), strings.Repeat("k", 129), strings.Repeat("é", 65),
	}
	word := func(n int) string { return strings.Repeat("w", n) }
	for _, n := range []int{70, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 90} {
		scalars = append(scalars, word(n)+" tail of the text", word(n)+"  two", word(n)+" x: y", word(n)+" \"q\" \u00e9 \u0001 more text")
	}
	long := strings.Repeat("lorem ipsum dolor sit amet ", 8)
	scalars = append(scalars, long, "'"+long+"'", "\""+long, long+"\n", long+"\n"+long, "a: "+long, strings.TrimSpace(long), "# "+strings.TrimSpace(long),
		strings.TrimSpace(long)+": it's", strings.Repeat("日本 語 ", 30)+"x", strings.Repeat("a  ", 60)+"b", strings.Repeat("\\d+ ", 40)+"\u0001 "+long+"x")
	for _, lead := range []string{"", " ", "\n", "\t", "-"} {
		for _, middle := range []string{"a", ":", " ", "\n", "\t", "#", "1"} {
			for _, tail := range []string{"", " ", "\n", "\n\n", "\t", ":", "#", "é"} {
				scalars = append(scalars, lead+middle+tail)
			}
		}
	}
	return scalars
}

var trickyStructures = []string{
	`null`, `true`, `"a"`, `"a\nb"`, `"\n"`, `1`, `[]`, `{}`, `[[]]`, `[{}]`, `{"a":[]}`, `{"a":{}}`, `{"a":null}`, `[null]`, `[[1,2],[3]]`, `[[[1]]]`,
	`[[{"a":1}]]`, `{"a":[{"b":1,"c":[1,2]},{"d":{"e":[{"f":1}]}}]}`, `{"a":{"b":{"c":{"d":1}}}}`, `[{"a":[[1],[2]]}]`, `{"a":[[]],"b":[{}]}`,
	`{"a":"x\ny","b":["x\ny\n","x\n\n"],"c":{"d":" x\ny"}}`, `[["x\ny"]]`, `{"a":["|","x\n  y\n z"]}`,
	`{"b":1,"a":2,"B":3,"A":4,"a10":5,"a2":6,"a1":7,"10":8,"9":9,"_x":10,"-x":11,"a-b":12,"a_b":13,"a.b":14,"ab":15,"a/b":16,"é":17,"z":18,"":19," ":20}`,
	`{"a01":1,"a1":2,"a001":3,"a0":4,"a00":5,"a10b":6,"a10":7,"a1b":8,"a12":9,"a9":10,"a100":11,"1a":12,"1":13,"01":14,"a1.2":15,"a1.10":16,"a1-2":17}`,
	`{"app.kubernetes.io/name":"x","app":"y","app.kubernetes.io/instance":"z","helm.sh/chart":"c","app10":1,"app9":2,"App":3}`,
	`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","labels":{"a":"b"},"annotations":{}},"data":{"k":"v\nw\n","n":"1","b":"true"}}`,
	`{"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk":[1,{"a":2}],"b":{"x\ny":{"c":1}}}`,
	`{"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk":{"a":2,"b":"x\ny"}}`,
	`[{"name":"a","value":"b"},{"name":"c","valueFrom":{"secretKeyRef":{"name":"d","key":"e"}}}]`, `[[{"a":[{"b":[1]}]}],{"c":[[{"d":1}]]}]`,
}

type readCase struct {
	In string `json:"in"`
	// The document as JSON, or the error.
	Out   json.RawMessage `json:"out,omitempty"`
	Error string          `json:"error,omitempty"`
	// With repeated keys refused, where that makes a difference.
	Strict string `json:"strict,omitempty"`
}

func yamlReadCases() []readCase {
	var cases []readCase
	for _, text := range readTexts() {
		c := readCase{In: text}
		out, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			c.Error = err.Error()
		} else {
			c.Out = out
			if _, err := yaml.YAMLToJSONStrict([]byte(text)); err != nil {
				c.Strict = err.Error()
			}
		}
		cases = append(cases, c)
	}
	return cases
}

func readTexts() []string {
	var texts []string
	for _, s := range trickyScalars() {
		if len(s) < 60 {
			texts = append(texts, "k: "+s)
		}
	}
	for _, s := range []string{"a", "1", "'q'", "\"d\"", "", "~", "|\n  x", ">-\n  x\n  y", "[1, 2]", "{a: 1}", "- x", "a: b", "&x y", "*x", "!!str 1", "!x y"} {
		texts = append(texts, s, "- "+s, "- - "+s, "a:\n- "+s, "a:\n  "+s, "[ "+s+" ]", "{ "+s+" }", s+": v", "? "+s+"\n: v", "a: "+s+"\nb: c", "a:\n    b: "+s+"\n  c: d", s+"\n"+s, "x: [ "+s+"\ny: 1")
	}
	return append(texts, readStructures...)
}

var readStructures = []string{
	"", "\n", "# only\n", "---\n", "--- a", "---\na: 1\n---\nb: 2", "a: 1\n...\nb: 2", "...", "%YAML 1.1\n---\na: 1", "%YAML 1.2\n---\na: 1", "%TAG ! tag:x,2000:\n---\n!y z", "%FOO\n---\n", "%YAML 1.1\n%YAML 1.1\n---\n",
	"a: 1\na: 2", "a: 1\nb: 2\na: 3\nc: {d: 1, d: 2}", "1: a", "1.5: a", "0.1: a", "1e10: a", "true: a", "yes: a", "~: a", ": a", "null: b", "18446744073709551615: a", "2020-01-01: a", "0x10: a",
	"a: &x {b: 1}\nc: *x", "a: &x [1]\nb: *x\nc: [*x, *x]", "a: *y", "a: &x {b: *x}", "a: &x\n  b: 1\nc:\n  <<: *x\n  d: 2", "a: &x {b: 1, c: 2}\nd:\n  c: 3\n  <<: *x", "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3",
	"a: &x {b: 1}\ny: &y {b: 2, c: 3}\nd:\n  <<: [*x, *y]", "d:\n  <<: {a: 1}\n  b: 2", "d:\n  <<: 1", "d:\n  <<: [1]", "d:\n  <<: ", "d:\n  \"<<\": 1", "x: &x [1]\nd:\n  <<: *x", "<<: {a: 1}", "a: &a [*a]", "&a a: *a", "a: &x 1\nb: &x 2\nc: *x",
	"a: |\n  x\n  y\n", "a: |-\n  x\n  y\n\n", "a: |+\n  x\n\n\nb: 1", "a: |2\n   x\n  y", "a: |\n\n  x", "a: |\n    x\n  y", "a: >\n  x\n  y\n\n  z\n   w\n  v\n", "a: >-\n  x\n\n\n  y", "a: >+\n  x\n\n", "a: |0\n  x", "a: |10\n  x", "a: | # comment\n  x", "a: |x\n  y", "a: |\n\tx", "a: |\n  x\n\ty", "a: |\n", "a: |", "|\n x\n y", "- |\n x\n- >\n y\n z", "a: |1-\n  x", "a: |-1\n  x", "a: >\n\n\n  x\n",
	"a: 'x\n  y\n\n  z'", "a: \"x\n  y\\\n  z\\n\\t\\u00e9\\x41\\U0001F600\\/\"", "a: \"\\/\"", "a: \"\\q\"", "a: \"\\xZZ\"", "a: \"\\ud800\"", "a: \"\\uD83D\\uDE00\"", "a: 'it''s'", "a: \"x", "a: 'x", "a: \"x\n---\ny\"", "a: \"x\" y", "a: 'x' 'y'", "a: \"\\N\\_\\L\\P\\e\\0\\a\\b\\v\\f\\r\"",
	"a: x\n  y\n  z", "a: x\n  y: z", "a: x\n y\nb: c", "a: x # comment\nb: y#z", "a: x\n\n\n  y", "a\nb", "a\nb: c", "a: b: c", "a: b\n c: d", "a: 1\n  b: 2", "a:\n  b: 1\n c: 2", "a:\n - 1\n- 2", "- 1\na: 2", "a: 1\n- 2", "a:\n- 1\n- 2\nb: 3", "a:\n  - 1\n  b: 2", "- a\n b", "- a: 1\n  b: 2\n-  c: 3\n   d: 4\n- - 1\n  - 2", "-\n  a: 1\n-\n- b", "a:\n-\n- 1", "- - - a", "?\n: a", "? a\n? b\n: c", "? [a, b]\n: c", "{a: 1}: b", "[a]: b", "{{ a }}: b", "a: {{ b }}", "a: {{ b }} c", "{{ a }}", "- {{ a }}",
	"[1, 2, 3]", "[1, 2, ]", "[, 1]", "[1 2]", "[1\n2]", "[1, 2", "{a: 1, b: 2}", "{a: 1, b: 2, }", "{a, b: }", "{a: 1 b: 2}", "{a: 1", "[a: 1, b: 2]", "[? a : 1]", "[: a]", "{: a}", "{a:1}", "{\"a\":1}", "{\"a\":1,\"b\":[{}]}", "[a, [b, {c: d}]]", "]", "}", "a: ]", "a: b]", "[a:b]", "{a: 'b', \"c\": d}", "{a: b\n, c: d}", "[\na,\nb\n]", "{b: 1, a: 2, 3: x, true: y}: z", "? {x: {z: 1, y: [1, ~]}}\n: v", "a: [\n]", "a: [b,\nc]\nd: e", "{a: 1}}", "[http://x.y/z]", "{a: http://x:80/}", "[a?b]", "{a?: 1}", "[?a]", "[-1, -a, - b]",
	"\ta: 1", "a:\t1", "a:\n\tb: 1", "a: 1\n\tb: 2", "- \ta", "a: \tb", "a:\n  b: 1\n\tc: 2", "a: b\t# c", "\t", "a\t: 1", "[\ta\t]",
	"a: !!int \"1\"", "a: !!str 1", "a: !!float 1", "a: !!bool \"true\"", "a: !!bool x", "a: !!int x", "a: !!null x", "a: !!null ''", "a: !!binary aGVsbG8=", "a: !!binary '*'", "a: !!timestamp 2020-01-01", "a: !!timestamp x", "a: !foo x", "a: !!foo 1", "a: ! 1", "a: ! x", "a: !<tag:yaml.org,2002:str> 1", "a: !<x", "a: !x!y z", "a: !!seq [1]", "a: !!map {b: 1}", "a: !!set {b}", "a: !!str", "a: !!int", "a: &x", "a: &x !!str 1\nb: *x", "a: !!str &x 1", "a: &", "a: *", "a: &x&y z", "!!str a: b", "a: !!int 0x1F", "a: !!float .inf", "a: .inf", "a: .nan", "a: !!merge x",
	"@a", "a: @b", "`a", "a: `b`", "%a", "a: %b", "a: b %c", "!", "a: |\n  b\nc", "a: 1\nb", "a:\n  b\n  c:", "key: [a\nb: c", "a: 'b\nc: d\n", "a: \"b\nc: d\n", "a: b\r\nc: d\r\n", "a: b\rc: d", "\ufeffa: 1", "a: \u0001", "a\u0000b", "a: \u007f", "a: \u0085b", "a: x\u2028y", "a: '\u2028x'", "a: é # ü\nü: é", "a: 😀",
	"a: 1\n b: 2\n", "a:\n  - b\n c", "a:\n   b: 1\n  c: 2\n", "x:\n  - a\n - b", "a: - b", "a: ? b", "- a: b: c", "-a", "--a", "- -a", "-", "- ", "a: -", "a:\n  -", "? a", ": b", ":", "?", "a:b", "a: b:c", "a:: b", "a: :b", "a : b", "\"a\":b", "\"a\": b", "'a':b", "\"a\" : b", "a: 'b'c", "a: \"b\"#c", "a: [b]c", "a: *b c", "a: &b c: d", "&a", "*a : b", "a: &x 1\n*x : 2", "a:\n  <<: &x {b: 1}\nc: *x",
	"apiVersion: v1\nkind: X\nmetadata:\n  name: a\n   labels:\n    b: c\n", "spec:\n  containers:\n    - name: a\n      image: b\n     ports: []\n", "a:\n  b: |\n    x\n   y\n  c: d\n", "data:\n  k: \"{{ x }}\"\n  l: {{ y }}\n", "foo:\n  bar: baz\n  - qux\n", "foo: bar\nbaz", "foo: bar\nbaz\nqux: 1", "a: 1\n\nb:\n\n  c: 2\n   \nd: 3", "- 1\n- 2\n -3\n- 4", "a: b\n---\nc: : d", "---\n---\na: 1", "---\n# c\n---\na: 1", "a: 1 # x\n# y\nb: 2", "#a\n  #b\nc: 1\n  #d", "a: [1,2]]", "a: {b: [c}", "a: {b: c]", "'a: b", "a: b'", "a: \"b\"\"c\"", "a: 0777\nb: 0o777\nc: 1_000\nd: +1\ne: 1e3\nf: 0b101\ng: 1:30\nh: .5\ni: 5.\nj: 1e400",
	"a: " + strings.Repeat("[", 50) + strings.Repeat("]", 50), strings.Repeat("k", 1030) + ": v", "{" + strings.Repeat("k", 1030) + ": v}", "a:\n  " + strings.Repeat("k", 1030) + ": v",
}
