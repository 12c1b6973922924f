// Command oracle writes the corpora that helm-render's functions and YAML are held against: what Helm 4.1.4, Sprig and
// go-yaml themselves answer. Run it as `go run . answers` from this directory.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: oracle DIRECTORY")
	}
	time.Local = time.UTC
	for name, cases := range map[string]any{
		"yaml-write.json": yamlWriteCases(),
		"yaml-read.json":  yamlReadCases(),
		"functions.json":  callCases(),
	} {
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(cases); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(os.Args[1], name), out.Bytes(), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
