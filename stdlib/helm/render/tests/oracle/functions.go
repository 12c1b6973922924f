package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// What follows a function's name in a template, and the JSON of the result; or the error, after an exclamation mark.
type call [2]string

type callCorpus struct {
	Data json.RawMessage `json:"data"`
	// By function.
	Calls map[string][]call `json:"calls"`
	// Whole templates.
	Texts []call `json:"texts"`
}

const data = `{"s":"hello world","e":"","n":8080,"f":3.75,"big":12345678,"t":true,"nul":null,"l":["b","a",3,null,"",true],
"nums":[3,1,2],"words":["one","two","two","three"],"m":{"k":"v","z":null,"n":1,"m":{"a":{"b":"c"},"l":[1]}},"el":[],"em":{},
"nested":[["a","b"],["c"]],"maps":[{"a":1},{"b":"x"}],"html":"<a href='x'>&\u2028</a>","uni":"héllo wörld 日本語 ﬁ ǆ",
"yaml":"a: 1\nb:\n- x\n- y: z\n","json":"{\"a\":[1,2.5,\"x\",null,true],\"b\":{\"c\":1e3}}","multi":"line one\nline two\n\n  indented\n"}`

func callCases() callCorpus {
	functions := helmFunctions()
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(data)); err != nil {
		panic(err)
	}
	corpus := callCorpus{Data: compact.Bytes(), Calls: map[string][]call{}}
	run := func(text string) string {
		var values any
		if err := json.Unmarshal([]byte(data), &values); err != nil {
			panic(err)
		}
		t, err := template.New("t").Option("missingkey=zero").Funcs(functions).Parse(text)
		if err != nil {
			return "!" + err.Error()
		}
		var out bytes.Buffer
		if err := t.Execute(&out, values); err != nil {
			_, message, _ := strings.Cut(err.Error(), ">: ")
			return "!" + message
		}
		return out.String()
	}
	today := time.Now().Format("2006-01-02")
	seen := map[string]bool{}
	try := func(text string) (string, bool) {
		out := run(text)
		for range 6 {
			if run(text) != out {
				return "", false
			}
		}
		fresh := !seen[text]
		seen[text] = true
		return out, fresh && !strings.Contains(out, "0xc0")
	}
	for name, args := range callArguments(functions) {
		refused := map[string]bool{}
		for _, args := range args {
			out, ok := try("{{ " + name + " " + args + " | toJson }}")
			if !ok {
				continue
			}
			// The present is no answer, TOML's syntax errors are its library's own, and maps have no order in Go.
			if strings.Contains(out, today) || name == "fromToml" && strings.Contains(out, `"Error"`) || name == "keys" && args == ".m" {
				continue
			}
			// copystructure makes a version of a pointer to one, but leaves it empty.
			if strings.HasSuffix(name, "eepCopy") && strings.Contains(args, "semver") {
				continue
			}
			// The executor's refusals are not the function's: one of each is enough.
			if strings.HasPrefix(out, "!wrong") {
				kind := out[:10]
				if refused[kind] {
					continue
				}
				refused[kind] = true
			}
			corpus.Calls[name] = append(corpus.Calls[name], call{args, out})
		}
	}
	for _, text := range append(strings.Split(strings.TrimSpace(callTexts), "\n"), dateTemplates()...) {
		if out, ok := try(text); ok {
			corpus.Texts = append(corpus.Texts, call{text, out})
		}
	}
	return corpus
}

// Functions whose results differ from run to run, or that are held in tests of their own.
var unstable = map[string]bool{"now": true, "randAlpha": true, "randAlphaNum": true, "randAscii": true, "randBytes": true, "randInt": true,
	"randNumeric": true, "uuidv4": true, "shuffle": true, "genCA": true, "genCAWithKey": true, "genPrivateKey": true, "genSelfSignedCert": true,
	"genSelfSignedCertWithKey": true, "genSignedCert": true, "genSignedCertWithKey": true, "bcrypt": true, "htpasswd": true, "encryptAES": true,
	"ago": true, "getHostByName": true, "derivePassword": true, "buildCustomCert": true, "decryptAES": true, "include": true, "tpl": true, "required": true, "lookup": true, "fail": true}

func callArguments(functions template.FuncMap) map[string][]string {
	operands := []string{"", ".s", ".e", ".n", ".f", ".t", ".nul", ".l", ".nums", ".words", ".m", ".el", ".em", ".nested", "7", "-2", `"12"`, `(semver "1.2.3")`}
	shapes := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(callShapes), "\n") {
		names, rest, _ := strings.Cut(line, " | ")
		for _, name := range strings.Fields(names) {
			shapes[name] = append(shapes[name], strings.Split(rest, " | ")...)
		}
	}
	arguments := map[string][]string{}
	for name := range functions {
		if unstable[name] {
			continue
		}
		// The variants of a name differ in their errors: a few operands show that.
		_, isVariant := functions[strings.ToLower(strings.TrimPrefix(name, "must")[:1])+strings.TrimPrefix(name, "must")[1:]]
		if strings.HasPrefix(name, "must") && isVariant || strings.HasPrefix(name, "os") {
			arguments[name] = append(arguments[name], operands[:8]...)
		} else {
			arguments[name] = append(arguments[name], operands...)
		}
		for _, shape := range shapes[name] {
			if !strings.Contains(shape, "$") {
				arguments[name] = append(arguments[name], shape)
				continue
			}
			for _, operand := range operands[1:] {
				arguments[name] = append(arguments[name], strings.ReplaceAll(shape, "$", operand))
			}
		}
	}
	return arguments
}

func dateTemplates() []string {
	var templates []string
	layouts := []string{time.ANSIC, time.UnixDate, time.RubyDate, time.RFC822, time.RFC822Z, time.RFC850, time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano,
		time.Kitchen, time.Stamp, time.StampMilli, time.DateTime, time.DateOnly, "2006-01-02T15:04:05Z", "Jan _2 06 3:4:5pm", "002 __2 Monday January", "20060102150405.000", "05.00 .999 ,000000",
		"Z0700 Z07 -07 -07:00:00 Z070000", "plain text", "Janet Monde 2", "1/2/06 03PM", "_2006 _2 2"}
	zones := []string{"UTC", "America/New_York", "Asia/Kolkata", "Nowhere/X", "Europe/Berlin"}
	for i, layout := range layouts {
		for j, at := range []string{"0", "1700000000", "-86400000"} {
			templates = append(templates, fmt.Sprintf("{{ dateInZone %q (int64 %s) %q }}", layout, at, zones[(i+j)%len(zones)]))
		}
	}
	texts := []string{"2023-11-14", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20+02:00", "2023-02-30", "14 Nov 23 22:13 UTC", "Tue, 14 Nov 2023 22:13:20 MST", "22:13", "3:04PM", "", "x", "2023-11-14 22:13:20.5"}
	for _, layout := range []string{"2006-01-02", time.RFC3339, time.RFC822, time.RFC1123, time.Kitchen, "2006-01-02 15:04:05", "15:04"} {
		for _, text := range texts {
			templates = append(templates, fmt.Sprintf("{{ mustToDate %q %q }}", layout, text), fmt.Sprintf("{{ toDate %q %q | unixEpoch }}", layout, text))
		}
	}
	return templates
}
