package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Encode writes a message as one JSON object. It fails only on text that is not UTF-8.
func Encode(f Frame) ([]byte, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("wire: cannot encode %s: %w", f.Kind(), err)
	}
	// "type" comes first, and is no field of the structs: so it can be neither forgotten nor wrong.
	out := make([]byte, 0, len(body)+len(f.Kind())+len(`{"type":"",`))
	out = append(append(append(out, `{"type":"`...), f.Kind()...), '"')
	if len(body) > len("{}") {
		out = append(out, ',')
	}
	return append(out, body[1:]...), nil
}

// DecodeRequest reads a message from a client. The caller has limited its size to MaxMessage. The error is
// the answer to send: BadJSON or BadRequest, with the id if there was one.
func DecodeRequest(data []byte) (Request, *Error) {
	head, err := readHead(data)
	if err != nil {
		return nil, &Error{Code: BadJSON, Message: "This is not one JSON object as the protocol wants it: " + err.Error() + "."}
	}
	bad := func(message string) *Error {
		return &Error{ID: head.id, Code: BadRequest, Message: message}
	}
	r := newRequest(head.kind)
	switch {
	case head.kind == "":
		return nil, bad(`"type" is missing: say which request this is, as a string.`)
	case r == nil:
		return nil, bad(fmt.Sprintf("The request type %q is unknown.", clip(head.kind)))
	case head.id == 0 && head.kind != "pong":
		return nil, bad(fmt.Sprintf(`"id" must be an integer from 1 to %d.`, MaxID))
	}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, bad(wrongKind(err))
	}
	if why := r.check(); why != "" {
		return nil, bad(fmt.Sprintf("In %s, %s.", head.kind, why))
	}
	return r, nil
}

// DecodeReply reads a message from a server. A type that this version does not know gives nil and no error:
// the client ignores it.
func DecodeReply(data []byte) (Frame, error) {
	head, err := readHead(data)
	if err != nil {
		return nil, fmt.Errorf("wire: not a message: %w", err)
	}
	f := newReply(head.kind)
	if f == nil {
		return nil, nil
	}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("wire: not a %s: %w", head.kind, err)
	}
	return f, nil
}

type head struct {
	id   int64  // 0: absent, or not an id
	kind string // empty: absent, or not a string
}

// readHead reads a message to its end, so that what is returned is known to be one object of valid UTF-8 without duplicate
// members, nested no deeper than MaxDepth; and picks out the two members that decide what to do with it.
func readHead(data []byte) (head, error) {
	var h head
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	if dec.PeekKind() != '{' {
		if _, err := dec.ReadToken(); err != nil {
			return h, syntax(err)
		}
		return h, errors.New("it must be an object")
	}
	name := ""
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return h, syntax(err)
		}
		depth := dec.StackDepth()
		if depth > MaxDepth {
			return h, fmt.Errorf("it is nested more than %d deep", MaxDepth)
		}
		if depth == 0 {
			break
		}
		if depth > 1 {
			continue
		}
		kind, n := dec.StackIndex(1)
		switch {
		case kind == '{' && n%2 == 1: // an odd number of tokens: this one was a name
			name = tok.String()
		case name == "type" && tok.Kind() == '"':
			h.kind = tok.String()
		case name == "id" && tok.Kind() == '0':
			if n, err := strconv.ParseInt(tok.String(), 10, 64); err == nil && n >= 1 && n <= MaxID {
				h.id = n
			}
		}
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return h, errors.New("something follows the object")
	}
	return h, nil
}

// syntax says what is wrong with a JSON text in words that name no Go.
func syntax(err error) error {
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("a member occurs twice")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	case errors.As(err, &s):
		return fmt.Errorf("syntax error at byte %d", s.ByteOffset)
	}
	return errors.New("syntax error")
}

func wrongKind(err error) string {
	var s *json.SemanticError
	if errors.As(err, &s) && s.JSONPointer != "" {
		return fmt.Sprintf("The member %q has a value of the wrong kind.", clip(string(s.JSONPointer)[1:]))
	}
	return "A member has a value of the wrong kind."
}

// clip keeps text from outside short in messages and logs, cut between characters.
func clip(s string) string {
	const limit = 64
	for i := range s {
		if i > limit {
			return s[:i] + "…"
		}
	}
	return s
}

// NewNonce writes 16 random bytes the way Hello wants its nonce.
func NewNonce(random [16]byte) string {
	return base64.RawURLEncoding.EncodeToString(random[:])
}

func validNonce(s string) bool {
	if len(s) != base64.RawURLEncoding.EncodedLen(16) {
		return false
	}
	_, err := unpack(s)
	return err == nil
}
