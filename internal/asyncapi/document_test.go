package main

import (
	"bytes"
	"compress/gzip"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/editlock/editlock/wire"
)

const vectors = "../../wire/testdata"

// document is docs/asyncapi.json as it stands.
func document(t testing.TB) []byte {
	t.Helper()
	doc, err := os.ReadFile("../../docs/asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func decode(t testing.TB, data []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDocumentIsCurrent(t *testing.T) {
	want, err := generate(vectors)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(document(t), want) {
		t.Error("docs/asyncapi.json is not what package wire says now: go generate ./internal/asyncapi")
	}
}

// official is the schema that the AsyncAPI Initiative publishes for version 3.0.0 (testdata/LICENSE).
func official(t testing.TB) *jsonschema.Schema {
	t.Helper()
	packed, err := os.Open("testdata/asyncapi-3.0.0.schema.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(plain)
	if err != nil {
		t.Fatal(err)
	}
	const name = "http://asyncapi.com/definitions/3.0.0/asyncapi.json"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource(name, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestDocumentIsAsyncAPI(t *testing.T) {
	schema := official(t)
	if err := schema.Validate(decode(t, document(t))); err != nil {
		t.Fatalf("%#v", err)
	}
	for what, broken := range map[string][2]string{
		"an action that there is not":          {`"action": "send"`, `"action": "publish"`},
		"a schema of an unknown kind of value": {`"type": "integer"`, `"type": "whole"`},
		"another version":                      {`"asyncapi": "3.0.0"`, `"asyncapi": "2.6.0"`},
		"a member that there is not":           {`"operations"`, `"operation"`},
	} {
		text := bytes.Replace(document(t), []byte(broken[0]), []byte(broken[1]), 1)
		if bytes.Equal(text, document(t)) || schema.Validate(decode(t, text)) == nil {
			t.Errorf("the schema lets %s pass", what)
		}
	}
}

// Every reference leads somewhere: the official schema does not look.
func TestReferencesLeadSomewhere(t *testing.T) {
	doc := decode(t, document(t))
	count := 0
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
			if to, ok := v["$ref"].(string); ok {
				count++
				at := doc
				for step := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
					m, _ := at.(map[string]any)
					at = m[step]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", to)
				}
			}
		}
	}
	walk(doc)
	if count < 50 {
		t.Errorf("only %d references were found", count)
	}
}

// source is what package wire declares: the kinds of its messages, its codes on a connection, and its close codes.
func source(t *testing.T) (kinds, onConnection, closeNames []string) {
	t.Helper()
	files, err := filepath.Glob("../../wire/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "Kind" && d.Recv != nil {
					kind, err := strconv.Unquote(d.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					kinds = append(kinds, kind)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					v, ok := s.(*ast.ValueSpec)
					if !ok || d.Tok != token.CONST {
						continue
					}
					if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "Code" && strings.Contains(d.Doc.Text(), "on a connection") {
						code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
						if err != nil {
							t.Fatal(err)
						}
						onConnection = append(onConnection, code)
					}
					if strings.HasPrefix(v.Names[0].Name, "Close") {
						closeNames = append(closeNames, v.Values[0].(*ast.BasicLit).Value)
					}
				}
			}
		}
	}
	return kinds, onConnection, closeNames
}

func same(t *testing.T, what string, told, declared []string) {
	t.Helper()
	told, declared = slices.Sorted(slices.Values(told)), slices.Sorted(slices.Values(declared))
	if !slices.Equal(told, declared) || len(told) == 0 {
		t.Errorf("%s: the document has\n%v, and the code\n%v", what, told, declared)
	}
}

// Every message, code and close code that package wire has is in the document, and no other.
func TestNothingIsMissing(t *testing.T) {
	doc := decode(t, document(t)).(map[string]any)
	kinds, onConnection, closeNames := source(t)
	parts := doc["components"].(map[string]any)
	same(t, "messages", slices.Collect(maps.Keys(parts["messages"].(map[string]any))), kinds)
	var told []string
	for _, code := range parts["schemas"].(map[string]any)["Code"].(map[string]any)["enum"].([]any) {
		told = append(told, code.(string))
	}
	same(t, "codes", told, onConnection)
	told = nil
	socket := doc["channels"].(map[string]any)["socket"].(map[string]any)
	for _, c := range socket["x-close-codes"].([]any) {
		told = append(told, c.(map[string]any)["code"].(interface{ String() string }).String())
	}
	same(t, "close codes", told, closeNames)
	same(t, "messages of the channel", slices.Collect(maps.Keys(socket["messages"].(map[string]any))), kinds)
}

// schemas compiles the payload of every message of the document.
func schemas(t testing.TB) map[string]*jsonschema.Schema {
	t.Helper()
	doc := decode(t, document(t))
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.AssertFormat()
	if err := c.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]*jsonschema.Schema{}
	for kind := range doc.(map[string]any)["components"].(map[string]any)["messages"].(map[string]any) {
		s, err := c.Compile("asyncapi.json#/components/messages/" + kind + "/payload")
		if err != nil {
			t.Fatal(err)
		}
		all[kind] = s
	}
	return all
}

// check says what is wrong with a frame by the schema of its type.
func check(all map[string]*jsonschema.Schema, frame []byte) (kind string, known bool, err error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		return "", false, err
	}
	m, _ := v.(map[string]any)
	kind, _ = m["type"].(string)
	s, known := all[kind]
	if !known {
		return kind, false, nil
	}
	return kind, true, s.Validate(v)
}

func read[T any](t *testing.T, name string) []T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return unmarshal[[]T](t, data)
}

// The schemas take what every implementation has to take, and refuse what package wire refuses.
func TestVectorsFollowTheSchemas(t *testing.T) {
	all := schemas(t)
	for _, file := range []string{"requests.json", "replies.json"} {
		for _, v := range read[struct {
			Name  string
			Frame rawJSON
		}](t, file) {
			if _, known, err := check(all, v.Frame); err != nil || !known {
				t.Errorf("%s, %s: %v", file, v.Name, err)
			}
		}
	}
	for _, v := range read[struct{ Name, Text string }](t, "accepted.json") {
		if _, known, err := check(all, []byte(v.Text)); err != nil || !known {
			t.Errorf("accepted.json, %s: %v", v.Name, err)
		}
	}
	refused := 0
	for _, v := range read[struct {
		Name, Text string
		Code       wire.Code
	}](t, "refused.json") {
		// A number with an exponent is the same integer to a schema, and a reply is no request.
		if v.Code != wire.BadRequest || v.Name == "id with an exponent" {
			continue
		}
		if _, known, err := check(all, []byte(v.Text)); known && err == nil {
			t.Errorf("refused.json, %s: the schema lets it pass", v.Name)
		}
		refused++
	}
	if refused < 30 {
		t.Errorf("only %d refused requests were looked at", refused)
	}
}
