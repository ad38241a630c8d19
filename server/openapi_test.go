package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// contract is the document of HTTP for programs, with its schemas ready to judge what is really said.
type contract struct {
	compiler *jsonschema.Compiler
	paths    map[string]any

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

var theContract = sync.OnceValue(func() *contract {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(server.OpenAPI()))
	if err != nil {
		panic(err)
	}
	if err := c.AddResource("file:///openapi.json", doc); err != nil {
		panic(err)
	}
	return &contract{
		compiler: c, paths: doc.(map[string]any)["paths"].(map[string]any), compiled: map[string]*jsonschema.Schema{},
	}
})

func escape(s string) string {
	return url.PathEscape(strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1"))
}

// path is the one of the document that an address belongs to.
func (c *contract) path(address string) string {
	for path := range c.paths {
		before, named := strings.CutSuffix(path, "{resource}")
		if path == address || named && strings.HasPrefix(address, before) {
			return path
		}
	}
	return ""
}

// validate holds a value against the schema at a place of the document. It reports false if there is no such place.
func (c *contract) validate(body []byte, steps ...string) (known bool, err error) {
	var at any = c.paths
	pointer := "file:///openapi.json#/paths"
	for _, step := range steps {
		m, _ := at.(map[string]any)
		if at = m[step]; at == nil {
			return false, nil
		}
		pointer += "/" + escape(step)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	schema := c.compiled[pointer]
	if schema == nil {
		if schema, err = c.compiler.Compile(pointer); err != nil {
			return true, err
		}
		c.compiled[pointer] = schema
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return true, err
	}
	return true, schema.Validate(value)
}

// judge wants the document to describe an answer, and the request too, if the answer is good.
func (c *contract) judge(r *http.Request, sent []byte, resp *http.Response, got []byte) error {
	path := c.path(r.URL.Path)
	method := strings.ToLower(r.Method)
	if operation, _ := c.paths[path].(map[string]any); operation == nil || operation[method] == nil || r.Method != strings.ToUpper(r.Method) {
		return nil // of an address that the document does not describe
	}
	media := resp.Header.Get("Content-Type")
	known, err := c.validate(got, path, method, "responses", strconv.Itoa(resp.StatusCode), "content", media, "schema")
	if !known || err != nil {
		return fmt.Errorf("%s %s: the answer %s, %s, %s is not in the document: %w", r.Method, r.URL.Path, resp.Status, media, got, err)
	}
	operation := c.paths[path].(map[string]any)[method].(map[string]any)
	described := operation["responses"].(map[string]any)[strconv.Itoa(resp.StatusCode)].(map[string]any)
	headers, _ := described["headers"].(map[string]any)
	for name := range headers {
		if resp.Header.Get(name) == "" {
			return fmt.Errorf("%s %s: %s without the header %s", r.Method, r.URL.Path, resp.Status, name)
		}
	}
	if resp.StatusCode == http.StatusOK && method == "post" {
		if known, err := c.validate(sent, path, method, "requestBody", "content", "application/json", "schema"); !known || err != nil {
			return fmt.Errorf("%s %s: the request %s was answered, and is not in the document: %w", r.Method, r.URL.Path, sent, err)
		}
	}
	return nil
}

func TestDocumentIsCurrent(t *testing.T) {
	doc, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(doc, server.OpenAPI()) {
		t.Error("docs/openapi.json is not what the code says now: go generate ./server")
	}
}

// official is the schema that the OpenAPI Initiative publishes for version 3.1 (testdata/LICENSE).
func official(t testing.TB) *jsonschema.Schema {
	t.Helper()
	packed, err := os.Open("testdata/openapi-3.1.schema.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(plain)
	if err != nil {
		t.Fatal(err)
	}
	const name = "https://spec.openapis.org/oas/3.1/schema/2021-04-15"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestDocumentIsOpenAPI(t *testing.T) {
	schema := official(t)
	value := func(text []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if err := schema.Validate(value(server.OpenAPI())); err != nil {
		t.Fatalf("%#v", err)
	}
	for what, broken := range map[string][2]string{
		"another version":               {`"openapi": "3.1.0"`, `"openapi": "2.0"`},
		"a place that there is not":     {`"in": "query"`, `"in": "body"`},
		"an answer without description": {`"description": "Done."`, `"about": "Done."`},
	} {
		text := bytes.Replace(server.OpenAPI(), []byte(broken[0]), []byte(broken[1]), 1)
		if bytes.Equal(text, server.OpenAPI()) || schema.Validate(value(text)) == nil {
			t.Errorf("the schema lets %s pass", what)
		}
	}
	// Every schema of the document is one, and every reference leads somewhere.
	c := theContract()
	for path, item := range c.paths {
		for method, operation := range item.(map[string]any) {
			op := operation.(map[string]any)
			for status, response := range op["responses"].(map[string]any) {
				for media := range response.(map[string]any)["content"].(map[string]any) {
					if _, err := c.compiler.Compile("file:///openapi.json#/paths/" + strings.Join([]string{escape(path), method, "responses", status, "content", escape(media), "schema"}, "/")); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}

func TestDocumentIsServed(t *testing.T) {
	w := start(t)
	resp, err := http.Get("http://" + w.addr + "/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, server.OpenAPI()) || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s, %d bytes, %v", resp.Status, len(got), err)
	}
}

// Every code that wire has for HTTP is somewhere in the document, save those that only connections, streams and saves have.
func TestDocumentHasEveryCode(t *testing.T) {
	elsewhere := []wire.Code{
		wire.BadFrame, wire.Unsupported, wire.BadHandshake, wire.NoStream, wire.NotFound, wire.BadMethod, wire.BadLockToken,
	}
	for _, code := range []wire.Code{
		wire.BadJSON, wire.BadFrame, wire.BadRequest, wire.BadResource, wire.Unsupported, wire.Unauthenticated, wire.Forbidden, wire.Locked,
		wire.StaleFence, wire.QueueFull, wire.TooManyLocks, wire.TooManyWatches, wire.TooManySessions, wire.RateLimited, wire.ResumeRefused,
		wire.ResumeReused, wire.Unavailable, wire.UnknownOutcome, wire.Replaced, wire.SessionOver, wire.ShuttingDown, wire.OriginForbidden,
		wire.BadHandshake, wire.NoStream, wire.NotFound, wire.BadMethod, wire.TooLarge, wire.BadLockToken,
	} {
		if bytes.Contains(server.OpenAPI(), []byte(strconv.Quote(string(code)))) == slices.Contains(elsewhere, code) {
			t.Errorf("%s: in the document: %v", code, !slices.Contains(elsewhere, code))
		}
	}
}
