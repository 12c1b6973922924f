// Writes ../data/*.gz: what a Kubernetes API server knows of its types, from the Go types and the published OpenAPI.
//
//	go mod download k8s.io/kubernetes@v1.34.4
//	kubectl get --raw /openapi/v2 > swagger.json
//	go run . -openapi $(go env GOMODCACHE)/k8s.io/kubernetes@v1.34.4/api/openapi-spec/v3 -swagger swagger.json
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/scheme"
)

// document is one group version's published OpenAPI.
type document struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]*openapi `json:"schemas"`
	} `json:"components"`
}

type openapi struct {
	Description string              `json:"description"`
	Type        string              `json:"type"`
	Default     json.RawMessage     `json:"default"`
	Enum        []json.RawMessage   `json:"enum"`
	Properties  map[string]*openapi `json:"properties"`
	Required    []string            `json:"required"`
	ListType    string              `json:"x-kubernetes-list-type"`
	ListKeys    []string            `json:"x-kubernetes-list-map-keys"`
	MapType     string              `json:"x-kubernetes-map-type"`
	Strategy    string              `json:"x-kubernetes-patch-strategy"`
	MergeKey    string              `json:"x-kubernetes-patch-merge-key"`
	Unions      json.RawMessage     `json:"x-kubernetes-unions"`
}

type operation struct {
	Action     string `json:"x-kubernetes-action"`
	Parameters []struct {
		Name        string
		In          string
		Description string
		Required    bool
		Schema      struct{ Type string }
	}
	Kind struct{ Group, Version, Kind string } `json:"x-kubernetes-group-version-kind"`
	Body struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
	ID string `json:"operationId"`
}

var (
	published = map[string]*openapi{}
	names     []string
	numbers   = map[reflect.Type]int{}
	queue     []reflect.Type
	kinds     = map[reflect.Type][]string{}
)

// Types whose JSON is not what their Go structure says.
var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":                                             "t",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":                                        "u",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":                                         "d",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":                                         "v",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":                                         "q",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":                                       "x",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":                                          "r",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON":                         "j",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray":       "j",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool":        "j",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray": "j",
}

func main() {
	specs := flag.String("openapi", "", "the folder api/openapi-spec/v3 of k8s.io/kubernetes")
	swagger := flag.String("swagger", "", "a server's /openapi/v2, which has the enumerations that the published files lack")
	out := flag.String("out", "../data", "where to write")
	flag.Parse()
	files, err := filepath.Glob(filepath.Join(*specs, "*_openapi.json"))
	check(err)
	live := readDefinitions(*swagger)
	stable := regexp.MustCompile(`__v[0-9]+_openapi\.json$`)
	served := map[schema.GroupVersion]bool{{Version: "v1"}: true}
	var paths bytes.Buffer
	parameters := map[string]string{}
	sort.Strings(files)
	for _, file := range files {
		base := filepath.Base(file)
		if !stable.MatchString(base) && !regexp.MustCompile(`^(api|apis|version|apis__[a-z.0-9]*)_openapi`).MatchString(base) {
			continue
		}
		if strings.Contains(base, "internal.apiserver") || strings.Contains(base, "storagemigration") {
			continue
		}
		text, err := os.ReadFile(file)
		check(err)
		var doc document
		check(json.Unmarshal(text, &doc))
		for name, one := range doc.Components.Schemas {
			if served := live[name]; served != nil {
				one.adopt(served)
			}
			published[name] = one
		}
		name := strings.ReplaceAll(strings.TrimSuffix(base, "_openapi.json"), "__", "/")
		parts := strings.Split(name, "/")
		if len(parts) == 3 {
			served[schema.GroupVersion{Group: parts[1], Version: parts[2]}] = true
		}
		writePaths(&paths, name, &doc, parameters)
	}
	for _, s := range []*runtime.Scheme{scheme.Scheme, apiextensions.Scheme, aggregator.Scheme} {
		for gvk, t := range s.AllKnownTypes() {
			common := t.PkgPath() == "k8s.io/apimachinery/pkg/apis/meta/v1" && gvk.Kind != "Status" && gvk.Kind != "APIGroup" &&
				gvk.Kind != "APIGroupList" && gvk.Kind != "APIResourceList" && gvk.Kind != "APIVersions"
			if !served[gvk.GroupVersion()] || (common && gvk.Group != "") {
				continue
			}
			id := gvk.Group + "/" + gvk.Version + "/" + gvk.Kind
			if !contains(kinds[t], id) {
				kinds[t] = append(kinds[t], id)
			}
			number(t)
		}
	}
	for t := range kinds {
		sort.Strings(kinds[t])
	}
	for _, t := range []reflect.Type{reflect.TypeOf(metav1.PartialObjectMetadata{}), reflect.TypeOf(metav1.Table{})} {
		number(t)
	}
	// Found in map order: numbered again by name, after everything reachable is known.
	for i := 0; i < len(queue); i++ {
		fields(queue[i], func(reflect.StructField, string) {})
	}
	sort.Slice(queue, func(a, b int) bool { return apiName(queue[a]) < apiName(queue[b]) })
	for i, t := range queue {
		numbers[t] = i
	}
	// What is embedded only is not published: its fields stand in the types that embed it.
	for _, t := range queue {
		outer := published[apiName(t)]
		fields(t, func(f reflect.StructField, _ string) {
			embedded := strings.HasPrefix(f.Tag.Get("json"), ",") && f.Name != "TypeMeta"
			if embedded && outer != nil && published[apiName(f.Type)] == nil {
				published[apiName(f.Type)] = &openapi{Properties: outer.Properties, Required: outer.Required}
			}
		})
	}
	var types, texts bytes.Buffer
	for _, t := range queue {
		writeType(&types, &texts, t)
	}
	var head bytes.Buffer
	list := []string{}
	for name := range parameters {
		list = append(list, name)
	}
	sort.Strings(list)
	for _, name := range list {
		fmt.Fprintf(&head, "Q\t%s\n", parameters[name])
	}
	write(filepath.Join(*out, "types.gz"), types.Bytes())
	write(filepath.Join(*out, "texts.gz"), texts.Bytes())
	write(filepath.Join(*out, "paths.gz"), append(head.Bytes(), paths.Bytes()...))
	log.Printf("%d types", len(queue))
}

// adopt takes over what a server tells of a type's enumerations.
func (o *openapi) adopt(served *openapi) {
	for name, property := range served.Properties {
		if mine := o.Properties[name]; mine != nil && len(property.Enum) > 0 {
			mine.Enum, mine.Description = property.Enum, property.Description
		}
	}
}

func readDefinitions(path string) map[string]*openapi {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	check(err)
	var document struct{ Definitions map[string]*openapi }
	check(json.Unmarshal(text, &document))
	return document.Definitions
}

func writePaths(out *bytes.Buffer, name string, doc *document, parameters map[string]string) {
	fmt.Fprintf(out, "D\t%s\n", name)
	all := []string{}
	for path := range doc.Paths {
		if !strings.Contains(path, "/watch/") {
			all = append(all, path)
		}
	}
	sort.Strings(all)
	for _, path := range all {
		fmt.Fprintf(out, "P\t%s\n", path)
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			raw, ok := doc.Paths[path][method]
			if !ok {
				continue
			}
			var op operation
			check(json.Unmarshal(raw, &op))
			used := []string{}
			for _, p := range op.Parameters {
				used = append(used, p.Name)
				parameters[p.Name] = strings.Join([]string{p.Name, p.In, p.Schema.Type, line(p.Description)}, "\t")
			}
			body, answer := "", ""
			for _, content := range op.Body.Content {
				body = last(content.Schema.Ref)
			}
			for _, content := range op.Responses["200"].Content {
				answer = last(content.Schema.Ref)
			}
			gvk := ""
			if op.Kind.Kind != "" {
				gvk = op.Kind.Group + "/" + op.Kind.Version + "/" + op.Kind.Kind
			}
			fmt.Fprintf(out, "M\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", method, op.ID, op.Action, gvk, body, answer, strings.Join(used, ","))
		}
	}
}

func writeType(out, texts *bytes.Buffer, t reflect.Type) {
	spec := published[apiName(t)]
	if spec == nil {
		spec = &openapi{}
	}
	fmt.Fprintf(out, "T\t%s\t%s\t%s\t%s\n", apiName(t), t.String(), strings.Join(kinds[t], ";"), spec.MapType)
	fmt.Fprintln(texts, line(spec.Description))
	if t.Kind() != reflect.Struct {
		return
	}
	fields(t, func(f reflect.StructField, expression string) {
		tag := strings.Split(f.Tag.Get("json"), ",")
		proto := strings.Split(f.Tag.Get("protobuf"), ",")
		field := ""
		if len(proto) > 1 {
			field = proto[1]
		}
		if tag[0] == "" {
			if f.Name != "TypeMeta" {
				fmt.Fprintf(out, "I\t%s\t%s\n", expression, field)
				return
			}
			for _, name := range []string{"kind", "apiVersion"} {
				property := published[apiName(t)]
				text := ""
				if property != nil && property.Properties[name] != nil {
					text = property.Properties[name].Description
				}
				fmt.Fprintf(out, "F\t%s\ts\t\t\to\t\t\t\t\n", name)
				fmt.Fprintln(texts, line(text))
			}
			return
		}
		property := spec.Properties[tag[0]]
		if property == nil {
			property = &openapi{}
		}
		flags := ""
		for _, option := range tag[1:] {
			switch option {
			case "omitempty":
				flags += "o"
			case "omitzero":
				flags += "z"
			}
		}
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			flags += "p"
			ft = ft.Elem()
		}
		if contains(spec.Required, tag[0]) {
			flags += "r"
		}
		list := property.ListType
		if list == "map" {
			list += ":" + strings.Join(property.ListKeys, ",")
		}
		if property.MapType != "" {
			list = property.MapType
		}
		patch := property.Strategy
		if property.MergeKey != "" {
			patch += ":" + property.MergeKey
		}
		// The patch tags of the Go type count where OpenAPI leaves them out.
		if patch == "" {
			patch = f.Tag.Get("patchStrategy")
			if key := f.Tag.Get("patchMergeKey"); key != "" {
				patch += ":" + key
			}
		}
		value := string(property.Default)
		switch value {
		case "{}", "0", `""`, "false", "null":
			value = ""
		}
		enum := []string{}
		for _, one := range property.Enum {
			var text string
			check(json.Unmarshal(one, &text))
			enum = append(enum, text)
		}
		shown := ft.String()
		if shown == plain(ft) {
			shown = ""
		}
		fmt.Fprintf(out, "F\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", tag[0], expression, shown, field, flags, list, patch, value,
			strings.Join(enum, ","))
		fmt.Fprintln(texts, line(property.Description))
	})
}

// fields calls back for every field that is on the wire, numbering the types it meets.
func fields(t reflect.Type, visit func(reflect.StructField, string)) {
	if t.Kind() != reflect.Struct {
		return
	}
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("json")
		if !ok || tag == "-" {
			continue
		}
		if strings.HasPrefix(tag, ",") && f.Name == "TypeMeta" {
			visit(f, "")
			continue
		}
		visit(f, expression(f.Type))
	}
}

// expression says what a type looks like on the wire: a letter for scalars, [] and {} before an item, @ and a number.
func expression(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return expression(t.Elem())
	}
	if known := special[t.PkgPath()+"."+t.Name()]; known != "" {
		return known
	}
	switch t.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int32:
		return "i"
	case reflect.Int64, reflect.Int:
		return "l"
	case reflect.Float64:
		return "f"
	case reflect.Uint8:
		return "c"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		// A named list of strings is a message of its own in protobuf.
		if t.Name() != "" && t.PkgPath() != "" {
			if t.Elem().Kind() == reflect.String {
				return "[w]" + expression(t.Elem())
			}
		}
		return "[]" + expression(t.Elem())
	case reflect.Map:
		return "{}" + expression(t.Elem())
	case reflect.Struct:
		return fmt.Sprintf("@%d", number(t))
	case reflect.Interface:
		return "r"
	}
	log.Fatalf("no expression for %s", t)
	return ""
}

// plain is how Go prints the type an expression stands for, when it is not named.
func plain(t reflect.Type) string {
	if known := special[t.PkgPath()+"."+t.Name()]; known != "" {
		return t.String()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return plain(t.Elem())
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64, reflect.Uint8:
		return t.Kind().String()
	case reflect.Slice:
		return "[]" + plain(t.Elem())
	case reflect.Map:
		return "map[string]" + plain(t.Elem())
	}
	return t.String()
}

func number(t reflect.Type) int {
	if n, ok := numbers[t]; ok {
		return n
	}
	numbers[t] = len(queue)
	queue = append(queue, t)
	return numbers[t]
}

func apiName(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	host := strings.Split(parts[0], ".")
	for i, j := 0, len(host)-1; i < j; i, j = i+1, j-1 {
		host[i], host[j] = host[j], host[i]
	}
	return strings.Join(append(host, parts[1:]...), ".") + "." + t.Name()
}

func write(path string, text []byte) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	check(err)
	_, err = w.Write(text)
	check(err)
	check(w.Close())
	check(os.WriteFile(path, packed.Bytes(), 0o644))
	log.Printf("%s: %d bytes, %d packed", path, len(text), packed.Len())
}

func line(text string) string {
	return strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\t", "\\t").Replace(text)
}

func last(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

func contains(list []string, one string) bool {
	for _, item := range list {
		if item == one {
			return true
		}
	}
	return false
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
