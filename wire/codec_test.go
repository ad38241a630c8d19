package wire_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/editlock/editlock/wire"
)

// vectors reads a file of testdata, in the shape that every implementation of the protocol can read.
func vectors[T any](t testing.TB, file string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	if err := json.Unmarshal(data, &list, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(list) == 0 {
		t.Fatalf("%s is empty", file)
	}
	return list
}

type frameVector struct {
	Name  string         `json:"name"`
	Frame jsontext.Value `json:"frame"`
}

func canonical(t *testing.T, v []byte) string {
	t.Helper()
	c := jsontext.Value(v).Clone()
	if err := c.Canonicalize(); err != nil {
		t.Fatalf("%v in %s", err, v)
	}
	return string(c)
}

func TestRequestsBothWays(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors[frameVector](t, "requests.json") {
		t.Run(v.Name, func(t *testing.T) {
			r, refused := wire.DecodeRequest(v.Frame)
			if refused != nil {
				t.Fatal(refused)
			}
			seen[r.Kind()] = true
			again, err := wire.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := canonical(t, again), canonical(t, v.Frame); got != want {
				t.Errorf("became\n%s, want\n%s", got, want)
			}
		})
	}
	if len(seen) != 11 {
		t.Errorf("the vectors show %d of 11 requests: %v", len(seen), seen)
	}
}

func TestRepliesBothWays(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors[frameVector](t, "replies.json") {
		t.Run(v.Name, func(t *testing.T) {
			f, err := wire.DecodeReply(v.Frame)
			if err != nil || f == nil {
				t.Fatal(f, err)
			}
			seen[f.Kind()] = true
			again, err := wire.Encode(f)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := canonical(t, again), canonical(t, v.Frame); got != want {
				t.Errorf("became\n%s, want\n%s", got, want)
			}
		})
	}
	if len(seen) != 6 {
		t.Errorf("the vectors show %d of 6 messages: %v", len(seen), seen)
	}
}

// Faults: A2
func TestRefused(t *testing.T) {
	for _, v := range vectors[struct {
		Name string    `json:"name"`
		Text string    `json:"text"`
		Code wire.Code `json:"code"`
		ID   int64     `json:"id"`
	}](t, "refused.json") {
		t.Run(v.Name, func(t *testing.T) {
			r, refused := wire.DecodeRequest([]byte(v.Text))
			if refused == nil {
				t.Fatalf("accepted as %#v", r)
			}
			if refused.Code != v.Code || refused.ID != v.ID || refused.Message == "" {
				t.Errorf("got %+v, want %s with id %d", refused, v.Code, v.ID)
			}
			if strings.Contains(refused.Message, "wire.") || strings.Contains(refused.Message, "jsontext") {
				t.Errorf("the message names the code behind it: %s", refused.Message)
			}
		})
	}
}

// Faults: A2
func TestRefusedBytes(t *testing.T) {
	deep := `{"id":1,"type":"bye","x":` + strings.Repeat("[", 7000) + strings.Repeat("]", 7000) + "}"
	for name, text := range map[string]string{
		"bad UTF-8 in a string": "{\"id\":1,\"type\":\"acquire\",\"resource\":\"\xff\"}",
		"overlong encoding":     "{\"id\":1,\"type\":\"acquire\",\"resource\":\"\xc0\xaf\"}",
		"bad UTF-8 in a name":   "{\"id\":1,\"type\":\"bye\",\"\xff\":1}",
		"NUL":                   "\x00",
		"byte order mark":       "\xef\xbb\xbf{\"id\":1,\"type\":\"bye\"}",
		"7,000 deep":            deep,
		"7,000 deep, open":      deep[:7000],
	} {
		t.Run(name, func(t *testing.T) {
			if r, refused := wire.DecodeRequest([]byte(text)); refused == nil || refused.Code != wire.BadJSON {
				t.Errorf("got %v, %v; want bad_json", r, refused)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, v := range vectors[struct {
		Name string `json:"name"`
		Text string `json:"text"`
		Type string `json:"type"`
	}](t, "accepted.json") {
		t.Run(v.Name, func(t *testing.T) {
			r, refused := wire.DecodeRequest([]byte(v.Text))
			if refused != nil {
				t.Fatal(refused)
			}
			if r.Kind() != v.Type || r.RequestID() != 3 {
				t.Errorf("got %s with id %d", r.Kind(), r.RequestID())
			}
		})
	}
}

func TestReplyOfALaterVersion(t *testing.T) {
	if f, err := wire.DecodeReply([]byte(`{"type":"fireworks","x":1}`)); f != nil || err != nil {
		t.Errorf("got %v, %v; a client must ignore it", f, err)
	}
	if _, err := wire.DecodeReply([]byte(`{"type":"ok","id":"x"}`)); err == nil {
		t.Error("a broken answer was accepted")
	}
}

func TestSeconds(t *testing.T) {
	for _, c := range []struct {
		in   time.Duration
		want string
	}{
		{30 * time.Second, "30"}, {7500 * time.Millisecond, "7.5"}, {1234567 * time.Microsecond, "1.235"},
		{0, "0"}, {-time.Second, "0"}, {24 * time.Hour, "86400"},
	} {
		if got, err := json.Marshal(wire.In(c.in)); err != nil || string(got) != c.want {
			t.Errorf("%v became %s, %v; want %s", c.in, got, err, c.want)
		}
	}
	if got := wire.Seconds(7.5).Duration(); got != 7500*time.Millisecond {
		t.Errorf("7.5 became %v", got)
	}
}

func TestAfterClose(t *testing.T) {
	for _, v := range vectors[struct {
		Code   int         `json:"code"`
		Return wire.Return `json:"return"`
	}](t, "closes.json") {
		if got := wire.AfterClose(v.Code); got != v.Return {
			t.Errorf("%d: %s, want %s", v.Code, got, v.Return)
		}
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	for name, text := range map[string]string{
		"pong":    `{"type":"pong","ping":12}`,
		"acquire": `{"id":2,"type":"acquire","resource":"article/42"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, refused := wire.DecodeRequest([]byte(text)); refused != nil {
					b.Fatal(refused)
				}
			}
		})
	}
}

func BenchmarkEncodeSnapshot(b *testing.B) {
	since := time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)
	s := &wire.Snapshot{Resource: "article/42", Revision: 1763870000000123, State: wire.Held, Waiting: 2, Version: "17",
		Holder: &wire.Holder{User: "7", Name: "Ana", Since: since, HeldFor: 61.5},
		Mine:   &wire.Mine{State: "waiting", Position: 1, Since: since}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Encode(s); err != nil {
			b.Fatal(err)
		}
	}
}
