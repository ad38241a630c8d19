package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/editlock/editlock/wire"
)

// Faults: A2
func TestPosts(t *testing.T) {
	for _, v := range vectors[struct {
		Name    string          `json:"name"`
		Body    string          `json:"body"`
		Head    wire.StreamHead `json:"head"`
		Frames  []string        `json:"frames"`
		Refused bool            `json:"refused"`
		Loose   bool            `json:"loose"` // not the way in which this implementation writes it
	}](t, "posts.json") {
		t.Run(v.Name, func(t *testing.T) {
			head, frames, err := wire.DecodePost([]byte(v.Body))
			if v.Refused {
				if err == nil {
					t.Fatalf("accepted as %+v", head)
				}
				return
			}
			if err != nil || head != v.Head || string(bytes.Join(frames, []byte{'\n'})) != strings.Join(v.Frames, "\n") {
				t.Fatalf("%+v, %q, %v", head, frames, err)
			}
			if again := string(wire.EncodePost(head, frames...)); again != v.Body && !v.Loose {
				t.Errorf("became %q", again)
			}
		})
	}
}

type event struct {
	Event string `json:"event"`
	Data  string `json:"data"`
}

func TestEvents(t *testing.T) {
	for _, v := range vectors[struct {
		Name   string  `json:"name"`
		Text   string  `json:"text"`
		Events []event `json:"events"`
		Broken bool    `json:"broken"` // it ends within an event
		Loose  bool    `json:"loose"`  // not the way in which this implementation writes it
	}](t, "events.json") {
		t.Run(v.Name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(v.Text), iotest.OneByteReader(strings.NewReader(v.Text))} {
				events := wire.NewEvents(r)
				var written []byte
				for i, want := range v.Events {
					name, data, err := events.Next()
					if err != nil || name != want.Event || string(data) != want.Data {
						t.Fatalf("event %d: %s %s %v", i, name, data, err)
					}
					written = wire.AppendEvent(written, name, data)
				}
				want := io.EOF
				if v.Broken {
					want = io.ErrUnexpectedEOF
				}
				if name, data, err := events.Next(); !errors.Is(err, want) {
					t.Errorf("after the end: %s %s %v, want %v", name, data, err, want)
				}
				if !v.Loose && !strings.HasPrefix(v.Text, string(written)) {
					t.Errorf("became %q", written)
				}
			}
		})
	}
}

func FuzzDecodePost(f *testing.F) {
	f.Add([]byte("{\"key\":\"k\",\"post\":1}\n{\"type\":\"pong\",\"ping\":1}\n"))
	f.Add([]byte("{\"open\":\"stream\"}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		head, frames, err := wire.DecodePost(body)
		if err != nil {
			return
		}
		again, same, err := wire.DecodePost(wire.EncodePost(head, frames...))
		if err != nil || again != head || !bytes.Equal(bytes.Join(same, []byte{'\n'}), bytes.Join(frames, []byte{'\n'})) {
			t.Fatalf("%q became %+v %q %v", body, again, same, err)
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: message\ndata: {}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		events := wire.NewEvents(bytes.NewReader(text))
		for range len(text) + 1 {
			name, data, err := events.Next()
			if err != nil {
				return
			}
			if bytes.ContainsRune([]byte(name), '\n') || len(data) > len(text) {
				t.Fatalf("%q gave %q %q", text, name, data)
			}
		}
		t.Fatalf("%q does not end", text)
	})
}
