package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"
)

type callCase struct {
	// Rendered over the data of the corpus.
	Template string `json:"t"`
	Out      string `json:"o,omitempty"`
	Error    string `json:"e,omitempty"`
}

type callCorpus struct {
	Data  json.RawMessage `json:"data"`
	Cases []callCase      `json:"cases"`
}

const data = `{"s":"hello world","e":"","n":8080,"f":3.75,"big":12345678,"t":true,"nul":null,"l":["b","a",3,null,"",true],
"nums":[3,1,2],"words":["one","two","two","three"],"m":{"k":"v","z":null,"n":1,"m":{"a":{"b":"c"},"l":[1]}},"el":[],"em":{},
"nested":[["a","b"],["c"]],"maps":[{"a":1},{"b":"x"}],"html":"<a href='x'>&\u2028</a>","uni":"héllo wörld 日本語 ﬁ ǆ",
"yaml":"a: 1\nb:\n- x\n- y: z\n","json":"{\"a\":[1,2.5,\"x\",null,true],\"b\":{\"c\":1e3}}","multi":"line one\nline two\n\n  indented\n"}`

func callCases() callCorpus {
	var values any
	if err := json.Unmarshal([]byte(data), &values); err != nil {
		panic(err)
	}
	functions := helmFunctions()
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(data)); err != nil {
		panic(err)
	}
	corpus := callCorpus{Data: compact.Bytes()}
	seen := map[string]bool{}
	for _, text := range callTemplates(functions) {
		if seen[text] {
			continue
		}
		seen[text] = true
		run := func() callCase {
			c := callCase{Template: text}
			var fresh any
			_ = json.Unmarshal([]byte(data), &fresh)
			t, err := template.New("t").Option("missingkey=zero").Funcs(functions).Parse(text)
			if err != nil {
				c.Error = err.Error()
				return c
			}
			var out bytes.Buffer
			if err := t.Execute(&out, fresh); err != nil {
				c.Error = err.Error()
			} else {
				c.Out = out.String()
			}
			return c
		}
		c := run()
		stable := !strings.Contains(c.Out+c.Error, "0x") && !strings.Contains(c.Error, "goroutine")
		for range 4 {
			stable = stable && run() == c
		}
		if stable {
			corpus.Cases = append(corpus.Cases, c)
		}
	}
	return corpus
}

// Functions whose results differ from run to run, or that are held in tests of their own.
var unstable = map[string]bool{"now": true, "randAlpha": true, "randAlphaNum": true, "randAscii": true, "randBytes": true, "randInt": true,
	"randNumeric": true, "uuidv4": true, "shuffle": true, "genCA": true, "genCAWithKey": true, "genPrivateKey": true, "genSelfSignedCert": true,
	"genSelfSignedCertWithKey": true, "genSignedCert": true, "genSignedCertWithKey": true, "bcrypt": true, "htpasswd": true, "encryptAES": true,
	"ago": true, "getHostByName": true, "derivePassword": true, "buildCustomCert": true, "include": true, "tpl": true, "required": true, "lookup": true, "fail": true}

func callTemplates(functions template.FuncMap) []string {
	var templates []string
	// Each function over values of every kind, alone and with arguments of its usual shape.
	operands := []string{".s", ".e", ".n", ".f", ".t", ".nul", ".l", ".nums", ".words", ".m", ".el", ".em", ".nested", ".maps", "1", "-2", "2.5", `"a,b"`, `"12"`, "(list)", "(dict)", "(list 1 2 3)", `(semver "1.2.3")`}
	shapes := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(callShapes), "\n") {
		name, rest, _ := strings.Cut(line, "|")
		shapes[name] = append(shapes[name], strings.Split(rest, "|")...)
	}
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name)
	}
	sortStrings(names)
	for _, name := range names {
		if unstable[name] {
			continue
		}
		show := func(call string) string { return "{{ " + call + " | toJson }}" }
		templates = append(templates, "{{ "+name+" }}")
		for _, operand := range operands {
			templates = append(templates, show(name+" "+operand))
		}
		for _, shape := range shapes[name] {
			templates = append(templates, show(name+" "+shape), "{{ "+name+" "+shape+" }}")
			if strings.Contains(shape, "$") {
				templates = templates[:len(templates)-2]
				for _, operand := range operands {
					templates = append(templates, show(name+" "+strings.ReplaceAll(shape, "$", operand)))
				}
			}
		}
	}
	for _, text := range strings.Split(strings.TrimSpace(callTexts), "\n") {
		templates = append(templates, text)
	}
	return append(templates, dateTemplates()...)
}

func sortStrings(s []string) {
	for i := range s {
		for j := i; j > 0 && s[j] < s[j-1]; j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}
}

func dateTemplates() []string {
	var templates []string
	layouts := []string{time.ANSIC, time.UnixDate, time.RubyDate, time.RFC822, time.RFC822Z, time.RFC850, time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano,
		time.Kitchen, time.Stamp, time.StampMilli, time.DateTime, time.DateOnly, "2006-01-02T15:04:05Z", "Jan _2 06 3:4:5pm", "002 __2 Monday January", "20060102150405.000", "05.00 .999 ,000000",
		"Z0700 Z07 -07 -07:00:00 Z070000", "plain text", "Janet Monde 2", "1/2/06 03PM", "_2006 _2 2"}
	for _, layout := range layouts {
		for _, zone := range []string{"UTC", "America/New_York", "Asia/Kolkata", "Nowhere/X"} {
			for _, at := range []string{"0", "1700000000", "-86400000"} {
				templates = append(templates, fmt.Sprintf("{{ dateInZone %q (int64 %s) %q }}", layout, at, zone))
			}
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
