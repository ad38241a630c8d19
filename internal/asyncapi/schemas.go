package main

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/editlock/editlock/wire"
)

// shared are the types that several messages have in them, by the name of their schema.
var shared = []struct {
	name  string
	typ   reflect.Type
	about string
}{
	{"Snapshot", reflect.TypeFor[wire.Snapshot](), "All that a client learns about a resource, at one revision of it."},
	{"Holder", reflect.TypeFor[wire.Holder](), "Who holds a resource."},
	{"Mine", reflect.TypeFor[wire.Mine](), "Where the session that is told stands."},
	{"Ended", reflect.TypeFor[wire.Ended](), "How a holding of this session ended."},
	{"LockGrant", reflect.TypeFor[wire.LockGrant](), "A confirmed lock, with a fresh token that proves it."},
	{"User", reflect.TypeFor[wire.User](), "A person as others see them."},
}

func ref(name string) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/components/schemas/" + name}
}

// schemaOf makes the schema of a Go type. What others share is referred to.
func schemaOf(t reflect.Type) (*jsonschema.Schema, error) {
	known := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[wire.Seconds](): {Type: "number", Minimum: jsonschema.Ptr(0.0)},
		reflect.TypeFor[time.Time]():    {Type: "string", Format: "date-time"},
		reflect.TypeFor[wire.Code]():    ref("Code"),
		reflect.TypeFor[wire.State]():   {Type: "string", Enum: texts(wire.Free, wire.Held, wire.Lapsed)},
	}
	for _, s := range shared {
		if s.typ != t {
			known[s.typ] = ref(s.name)
		}
	}
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: known})
	if err != nil {
		return nil, err
	}
	s.AdditionalProperties = nil // unknown members are ignored: a newer version may have more
	return s, nil
}

// message makes the schema of a message: of its Go type, with what the checks of package wire add to it.
func message(kind string, f wire.Frame, request bool) (*jsonschema.Schema, error) {
	s, err := schemaOf(reflect.TypeOf(f).Elem())
	if err != nil {
		return nil, err
	}
	if err := describe(kind, s, request); err != nil {
		return nil, err
	}
	s.Properties["type"] = &jsonschema.Schema{Const: jsonschema.Ptr(any(kind)), Description: "Which message this is."}
	s.Required = append([]string{"type"}, s.Required...)
	s.PropertyOrder = append([]string{"type"}, s.PropertyOrder...)
	if kind == "snapshot" {
		return s, nil
	}
	bounds[kind].apply(s)
	return s, nil
}

// describe puts the text and the bounds of every member into an object's schema.
func describe(name string, s *jsonschema.Schema, request bool) error {
	for _, member := range s.PropertyOrder {
		p := s.Properties[member]
		if !request || p.Ref != "" {
			notNull(p)
		}
		about, ok := members[name+"."+member]
		if !ok {
			about, ok = members[member]
		}
		if !ok {
			return fmt.Errorf("%s.%s: what it means is missing in the table of members", name, member)
		}
		if p.Ref != "" { // beside a $ref nothing counts
			s.Properties[member] = &jsonschema.Schema{AllOf: []*jsonschema.Schema{{Ref: p.Ref}}, Description: about}
			continue
		}
		p.Description = about
		limit, ok := limits[name+"."+member]
		if !ok {
			limit, ok = limits[member]
		}
		if ok {
			limit(p)
		}
	}
	return nil
}

// notNull takes out the null that stands for a nil pointer or slice: a server leaves such a member out.
func notNull(s *jsonschema.Schema) {
	kinds := slices.DeleteFunc(s.Types, func(k string) bool { return k == "null" })
	if s.Types = nil; len(kinds) == 1 && s.Ref == "" {
		s.Type = kinds[0]
	}
}

func texts[T ~string](list ...T) []any {
	var all []any
	for _, s := range list {
		all = append(all, string(s))
	}
	return all
}

func integer(least, most float64) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Minimum, s.Maximum = &least, &most }
}

func atMost(n int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.MaxLength = &n }
}

func oneOf[T ~string](list ...T) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Enum = texts(list...) }
}

// limits are the bounds of members, by message or type and member, or by member alone. Lengths are in bytes by the protocol, which
// no JSON Schema can say: in characters they are at most as strict.
var limits = map[string]func(*jsonschema.Schema){
	"id":               integer(1, wire.MaxID),
	"fence":            integer(1, wire.MaxFence),
	"watch.fence":      integer(0, wire.MaxFence),
	"Mine.fence":       integer(0, wire.MaxFence),
	"revision":         integer(0, wire.MaxFence),
	"epoch":            integer(1, wire.MaxFence),
	"ping":             integer(1, wire.MaxFence),
	"ack":              integer(0, wire.MaxFence),
	"waiting":          integer(0, 1<<31-1),
	"position":         integer(1, 1<<31-1),
	"version":          atMost(wire.MaxVersion),
	"Snapshot.version": atMost(256),
	"snapshot.version": atMost(256),
	"changed.version": func(s *jsonschema.Schema) {
		s.MinLength, s.MaxLength = jsonschema.Ptr(1), jsonschema.Ptr(wire.MaxVersion)
	},
	"resource":    func(s *jsonschema.Schema) { s.MinLength = jsonschema.Ptr(1) },
	"nonce":       func(s *jsonschema.Schema) { s.Pattern = "^[A-Za-z0-9_-]{21}[AQgw]$" },
	"token.token": func(s *jsonschema.Schema) { s.MinLength = jsonschema.Ptr(1) },
	"snapshots":   func(s *jsonschema.Schema) { s.MaxItems = jsonschema.Ptr(wire.MaxPrefix) },
	"Mine.state":  oneOf("waiting", "absent", "granted", "held", "lapsed"),
	"reason":      oneOf(reasons...),
}

// bound is what a message needs beside its members' kinds.
type bound struct {
	required []string
	selects  bool // either a resource or a prefix
}

func (b bound) apply(s *jsonschema.Schema) {
	s.Required = append(s.Required, b.required...)
	if b.selects {
		// Of a prefix there is no part, and no fence of a holding.
		not := []*jsonschema.Schema{{Required: []string{"resource"}}, {Required: []string{"part"}}}
		if s.Properties["fence"] != nil {
			not = append(not, &jsonschema.Schema{Required: []string{"fence"}})
		}
		s.OneOf = []*jsonschema.Schema{
			{Required: []string{"resource"}, Not: &jsonschema.Schema{Required: []string{"prefix"}}},
			{Required: []string{"prefix"}, Not: &jsonschema.Schema{AnyOf: not}},
		}
	}
}

var bounds = map[string]bound{
	"acquire": {required: []string{"resource"}},
	"confirm": {required: []string{"resource"}},
	"release": {required: []string{"resource"}},
	"cancel":  {required: []string{"resource"}},
	"changed": {required: []string{"resource"}},
	"watch":   {selects: true},
	"unwatch": {selects: true},
}
