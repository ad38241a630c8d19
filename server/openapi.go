package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/editlock/editlock/wire"
)

//go:generate go run ../internal/openapi ../docs/openapi.json

// OpenAPI is the description of HTTP for programs in the form of OpenAPI 3.1, made of the table of endpoints and the Go types of
// their messages. Callers must not change it.
func OpenAPI() []byte { return document() }

var document = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(describe()); err != nil {
		panic(err) // it is the same at every run, and a test makes it
	}
	return out.Bytes()
})

// object is a JSON object, whose members are sorted when it is written.
type object = map[string]any

const aboutAPI = `Locks for programs: whoever asks first has the record, the others wait and are let in the moment it is free.

The protocol is written down in docs/spec.md, section 8, which is the authority. Durations are seconds, fences and revisions integers below 2^53, instants are for people only. Every answer that is none is a problem (RFC 9457) whose code is stable. Every request may be repeated. Bodies have at most 64 KiB, no member twice and none that is unknown. An address that is not described here gives 404 not_found; what nobody holds does not.`

// describe makes the document.
func describe() object {
	paths := object{}
	for i := range endpoints {
		e := &endpoints[i]
		item, _ := paths[e.path].(object)
		if item == nil {
			item = object{}
			paths[e.path] = item
		}
		item[strings.ToLower(e.method)] = e.operation()
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "editlock", "version": "1", "description": aboutAPI,
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers": []any{object{
			"url": "{base}", "description": "Where the server is mounted.",
			"variables": object{"base": object{"default": "http://127.0.0.1:8420/editlock"}},
		}},
		"security": []any{object{"access": []any{}}},
		"paths":    paths,
		"components": object{
			"schemas": schemas(),
			"securitySchemes": object{"access": object{
				"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
				"description": "The access token of docs/spec.md, section 7: a JWT that the application signs.",
			}},
		},
	}
}

func (e *endpoint) operation() object {
	ok := object{"description": "Done."}
	if out := e.answers(); out != nil {
		ok["content"] = object{"application/json": object{"schema": out}}
	}
	responses := object{"200": ok}
	byStatus := map[int][]wire.Code{}
	for _, code := range e.codes {
		if status := code.Status(); !slices.Contains(byStatus[status], code) {
			byStatus[status] = append(byStatus[status], code)
		}
	}
	for status, codes := range byStatus {
		responses[strconv.Itoa(status)] = problem(status, codes)
	}
	op := object{"operationId": e.name, "summary": e.about, "description": e.more, "responses": responses}
	if e.method == http.MethodPost {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": e.asks()}}}
		return op
	}
	params := []any{}
	t := reflect.TypeOf(e.in)
	for i := range t.NumField() {
		f := t.Field(i)
		p := object{"name": f.Tag.Get("param"), "in": "query", "description": f.Tag.Get("jsonschema")}
		switch {
		case p["name"] == "resource":
			p["in"], p["required"], p["schema"] = "path", true, object{"type": "string", "minLength": 1}
		case f.Type == reflect.TypeFor[time.Time]():
			p["schema"] = object{"type": "string", "format": "date-time"}
		case f.Type.Kind() == reflect.Int:
			p["schema"] = object{"type": "integer", "minimum": 1, "maximum": wire.MaxList, "default": defaultLimit}
		default:
			p["schema"] = object{"type": "string"}
		}
		params = append(params, p)
	}
	op["parameters"] = params
	return op
}

// asks is the schema of the body of a request.
func (e *endpoint) asks() any {
	if _, ok := e.in.(wire.CheckCall); ok {
		item := ref(reflect.TypeFor[wire.CheckItem]())
		return object{"anyOf": []any{item, object{
			"type": "object", "required": []any{"items"}, "additionalProperties": false,
			"properties": object{"items": object{"type": "array", "minItems": 1, "maxItems": wire.MaxChecks, "items": item}},
		}}}
	}
	return ref(reflect.TypeOf(e.in))
}

// answers is the schema of an answer.
func (e *endpoint) answers() any {
	if e.out == nil { // of a check
		return object{"anyOf": []any{ref(reflect.TypeFor[wire.Checked]()), ref(reflect.TypeFor[wire.CheckedList]())}}
	}
	return ref(reflect.TypeOf(e.out))
}

// problem is an answer that is none.
func problem(status int, codes []wire.Code) object {
	names := []string{}
	for _, c := range codes {
		names = append(names, string(c))
	}
	slices.Sort(names)
	r := object{
		"description": http.StatusText(status) + ": `" + strings.Join(names, "`, `") + "`",
		"content": object{wire.ProblemType: object{"schema": object{
			"allOf":      []any{ref(reflect.TypeFor[wire.Problem]())},
			"properties": object{"status": object{"const": status}, "code": object{"enum": names}},
		}}},
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		r["headers"] = object{"Retry-After": object{"required": true, "description": "Seconds to wait.", "schema": object{"type": "integer", "minimum": 0}}}
	case http.StatusUnauthorized:
		r["headers"] = object{"WWW-Authenticate": object{"required": true, "schema": object{"type": "string"}}}
	}
	return r
}

// parts are the types that have a schema of their own, beside those of the endpoints.
var parts = []reflect.Type{
	reflect.TypeFor[wire.Snapshot](), reflect.TypeFor[wire.Holder](), reflect.TypeFor[wire.Mine](), reflect.TypeFor[wire.Ended](),
	reflect.TypeFor[wire.User](), reflect.TypeFor[wire.LockGrant](), reflect.TypeFor[wire.Place](), reflect.TypeFor[wire.EndedHold](),
	reflect.TypeFor[wire.HistoryEntry](), reflect.TypeFor[wire.PastHold](), reflect.TypeFor[wire.CheckItem](),
	reflect.TypeFor[wire.Checked](), reflect.TypeFor[wire.CheckedList](), reflect.TypeFor[wire.Problem](),
}

func ref(t reflect.Type) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/components/schemas/" + t.Name()}
}

func schemas() map[string]*jsonschema.Schema {
	asked := map[reflect.Type]bool{reflect.TypeFor[wire.CheckItem](): true}
	types := slices.Clone(parts)
	for i := range endpoints {
		e := &endpoints[i]
		if e.method == http.MethodPost && reflect.TypeOf(e.in) != reflect.TypeFor[wire.CheckCall]() {
			types = append(types, reflect.TypeOf(e.in))
			asked[reflect.TypeOf(e.in)] = true
		}
		if e.out != nil {
			types = append(types, reflect.TypeOf(e.out))
		}
	}
	all := map[string]*jsonschema.Schema{}
	for _, t := range types {
		all[t.Name()] = schemaOf(t, asked[t])
	}
	return all
}

// schemaOf is the schema of one type. What has a schema of its own is referred to.
func schemaOf(t reflect.Type, request bool) *jsonschema.Schema {
	known := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[wire.Seconds](): {Type: "number", Minimum: jsonschema.Ptr(0.0)},
		reflect.TypeFor[time.Time]():    {Type: "string", Format: "date-time"},
		reflect.TypeFor[wire.Code]():    {Type: "string"},
		reflect.TypeFor[wire.State]():   {Type: "string", Enum: []any{string(wire.Free), string(wire.Held), string(wire.Lapsed)}},
	}
	for _, part := range parts {
		if part != t && !embeds(t, part) {
			known[part] = ref(part)
		}
	}
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: known})
	if err != nil {
		panic(fmt.Sprintf("server: the schema of %s: %v", t, err))
	}
	if !request {
		s.AdditionalProperties = nil // a newer server may say more
	}
	for name, p := range s.Properties {
		kinds := slices.DeleteFunc(p.Types, func(k string) bool { return k == "null" }) // what is nil is left out
		if p.Types = nil; len(kinds) == 1 && p.Ref == "" {
			p.Type = kinds[0]
		}
		if limit := limits[t.Name()+"."+name]; limit != nil {
			limit(p)
		} else if limit := limits[name]; limit != nil {
			limit(p)
		}
	}
	return s
}

func embeds(t, part reflect.Type) bool {
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && f.Type == part {
			return true
		}
	}
	return false
}

// limits are bounds of members, by type and member, or by member alone. Lengths are in bytes by the protocol, which no JSON Schema
// can say: in characters they are at most as strict.
var limits = map[string]func(*jsonschema.Schema){
	"fence":               integer(1, wire.MaxFence),
	"Mine.fence":          integer(0, wire.MaxFence),
	"revision":            integer(0, wire.MaxFence),
	"waiting":             integer(0, 1<<31-1),
	"position":            integer(1, 1<<31-1),
	"resource":            length(1, 512),
	"AcquireCall.wait":    func(s *jsonschema.Schema) { s.Maximum = jsonschema.Ptr(float64(wire.MaxWait)) },
	"nonce":               func(s *jsonschema.Schema) { s.Pattern = "^[A-Za-z0-9_-]{21}[AQgw]$" },
	"version":             length(0, 256),
	"ReleaseCall.version": length(0, wire.MaxVersion),
	"ChangedCall.version": length(1, wire.MaxVersion),
	"ForceCall.reason":    length(1, 256),
	"result":              oneOf(wire.Ours, wire.Theirs, wire.Unheld),
	"Place.state":         oneOf("waiting", "absent", "granted", "lapsed"),
	"Mine.state":          oneOf("waiting", "absent", "granted", "held", "lapsed"),
}

func integer(least, most float64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Minimum, s.Maximum = &least, &most }
}

func length(least, most int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		s.MaxLength = &most
		if least > 0 {
			s.MinLength = &least
		}
	}
}

func oneOf(texts ...string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		for _, text := range texts {
			s.Enum = append(s.Enum, text)
		}
	}
}
