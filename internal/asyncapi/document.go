package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/editlock/editlock/wire"
)

// object is a JSON object whose members are sorted when it is written, so that the same input gives the same bytes.
type object = map[string]any

const about = `One lock per resource: who asks first edits, the others wait and are let in with fresh content the moment it is free.

The protocol is written down in docs/spec.md, which is the authority; this document lists its messages. Text frames with one JSON object each, at most 16 KiB from a client, nested at most 8 deep, without duplicate members. Unknown members are ignored by both sides. Requests carry an id that their answer echoes; pushes carry none. Durations are seconds, fences and revisions integers below 2^53. Where a proxy lets no WebSocket through, the same frames are carried by requests and streams of events (section 2.5 there).`

// generate makes the document. vectors is the folder with the golden vectors, which serve as examples.
func generate(vectors string) ([]byte, error) {
	examples, err := readExamples(vectors)
	if err != nil {
		return nil, err
	}
	schemas, messages, err := components(examples)
	if err != nil {
		return nil, err
	}
	refs := object{}
	for kind := range messages {
		refs[kind] = object{"$ref": "#/components/messages/" + kind}
	}
	doc := object{
		"asyncapi":           "3.0.0",
		"defaultContentType": "application/json",
		"info": object{
			"title": "editlock", "version": "1", "description": about,
			"license": object{"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
		},
		"servers": object{"application": object{
			"host": "app.example.com", "pathname": "/editlock", "protocol": "wss",
			"description": "Behind the proxy of the application, so that page and lock have one origin. The path is where the server is mounted.",
		}},
		"channels": object{"socket": object{
			"address":     "/v1/socket",
			"title":       "The connection of one page or program",
			"description": "A WebSocket with the subprotocol " + wire.Subprotocol + ". The first request is hello, which brings the access token: it is never part of the address.",
			"servers":     []any{object{"$ref": "#/servers/application"}},
			"messages":    refs,
			"bindings": object{"ws": object{"method": "GET", "bindingVersion": "0.1.0", "headers": object{
				"type": "object", "required": []any{"Sec-WebSocket-Protocol"},
				"properties": object{"Sec-WebSocket-Protocol": object{"type": "string", "const": wire.Subprotocol}},
			}}},
			"x-close-codes": closeCodes(),
		}},
		"operations": operations(),
		"components": object{"schemas": schemas, "messages": messages},
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

// operations are the server's: it receives requests, and sends pushes.
func operations() object {
	channel := object{"$ref": "#/channels/socket"}
	refs := func(kinds ...string) []any {
		var list []any
		for _, kind := range kinds {
			list = append(list, object{"$ref": "#/channels/socket/messages/" + kind})
		}
		return list
	}
	all := object{}
	for _, r := range requests {
		if r.answers == nil {
			continue // a pong: itself the answer to a push
		}
		all[r.frame.Kind()] = object{
			"action": "receive", "channel": channel, "summary": r.about, "messages": refs(r.frame.Kind()),
			"reply": object{"channel": channel, "messages": refs(append(slices.Clone(r.answers), "error")...)},
		}
	}
	for _, p := range pushes {
		op := object{"action": "send", "channel": channel, "messages": refs(p.kind)}
		for _, r := range replies {
			if r.frame.Kind() == p.kind {
				op["summary"] = r.about
			}
		}
		if p.answers != nil {
			op["reply"] = object{"channel": channel, "messages": refs(p.answers...)}
		}
		all["push_"+p.kind] = op
	}
	return all
}

// components are the schemas and the messages that carry them.
func components(examples map[string][]any) (schemas, messages object, err error) {
	schemas, messages = object{"Code": codeSchema()}, object{}
	for _, s := range shared {
		schema, err := schemaOf(s.typ)
		if err != nil {
			return nil, nil, err
		}
		if err := describe(s.name, schema, false); err != nil {
			return nil, nil, err
		}
		schema.Description = s.about
		schemas[s.name] = schema
	}
	add := func(e entry, request bool) error {
		kind := e.frame.Kind()
		schema, err := message(kind, e.frame, request)
		if err != nil {
			return err
		}
		schemas[kind] = schema
		m := object{
			"name": kind, "title": kind, "summary": e.about,
			"payload":  object{"$ref": "#/components/schemas/" + kind},
			"examples": examples[kind],
		}
		if len(examples[kind]) == 0 {
			return fmt.Errorf("no vector of wire/testdata shows %s", kind)
		}
		if schema.Properties["id"] != nil {
			m["correlationId"] = object{"location": "$message.payload#/id", "description": "The answer to a request has its id."}
		}
		messages[kind] = m
		return nil
	}
	for _, r := range requests {
		if err := add(r, true); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range replies {
		if err := add(r, false); err != nil {
			return nil, nil, err
		}
	}
	return schemas, messages, nil
}

func codeSchema() *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string", Description: "What went wrong. Codes are stable; there may be new ones."}
	var lines []string
	for _, c := range codes {
		s.Enum = append(s.Enum, string(c.code))
		lines = append(lines, "- `"+string(c.code)+"`: "+c.about)
	}
	s.Description += "\n\n" + strings.Join(lines, "\n")
	return s
}

func closeCodes() []any {
	var list []any
	for _, c := range closes {
		back := wire.AfterClose(c.code)
		list = append(list, object{"code": c.code, "description": c.about, "return": back, "then": returns[back]})
	}
	return list
}

// readExamples reads the golden vectors of both sides, by type.
func readExamples(folder string) (map[string][]any, error) {
	examples := map[string][]any{}
	for _, file := range []string{"requests.json", "replies.json"} {
		data, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return nil, err
		}
		var vectors []struct {
			Name  string         `json:"name"`
			Frame map[string]any `json:"frame"`
		}
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber() // fences are larger than what a float holds exactly
		if err := dec.Decode(&vectors); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, v := range vectors {
			kind, _ := v.Frame["type"].(string)
			if kind == "error" && len(examples[kind]) >= 3 {
				continue // one for each code would only be long
			}
			examples[kind] = append(examples[kind], object{"name": v.Name, "payload": v.Frame})
		}
	}
	return examples, nil
}
