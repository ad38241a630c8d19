package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/editlock/editlock/wire"
)

// FuzzStream posts any bytes to a stream, the way without WebSocket, that was properly opened. Nobody else loses anything, the stream ends, and what is sent is
// events with frames of the protocol.
//
// A script is the bodies of posts, with a line "--" between. "$K" stands for the key of the stream, "$T" for a good access token.
//
// Faults: A1, A2
func FuzzStream(f *testing.F) {
	hello := `{"id":1,"type":"hello","token":"$T","nonce":"AAECAwQFBgcICQoLDA0ODw"}`
	f.Add(false, "{\"key\":\"$K\",\"post\":1}\n"+hello+"\n--\n{\"key\":\"$K\",\"post\":2}\n{\"id\":2,\"type\":\"acquire\",\"resource\":\"article/1\"}\n{\"id\":3,\"type\":\"watch\",\"prefix\":\"\"}")
	f.Add(true, "{\"key\":\"$K\",\"post\":1}\n"+hello+"\n--\n{\"key\":\"$K\",\"poll\":2}\n--\n{\"key\":\"$K\",\"poll\":3}")
	f.Add(false, "{\"key\":\"$K\",\"post\":2}\n--\n{\"key\":\"x\",\"post\":1}\n--\n{\"open\":\"stream\"}\n--\n")
	f.Add(true, "{\"key\":\"$K\",\"post\":1}\n{]\n\xff\n--\n{\"key\":\"$K\",\"post\":1}\n--\n{\"key\":\"$K\",\"poll\":9}")
	f.Fuzz(func(t *testing.T, polls bool, script string) {
		inBubble(t, func(b *bubble) {
			ctx, cancel := context.WithCancel(b.t.Context())
			client := b.client()
			post := func(body string) *http.Response {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://lock.example.com/v1/stream/AAECAwQFBgcICQoLDA0ODw", strings.NewReader(body))
				if err != nil {
					b.t.Fatal(err)
				}
				resp, err := client.Do(r)
				if err != nil {
					return nil
				}
				return resp
			}
			kind := map[bool]string{false: "stream", true: "poll"}[polls]
			opened := post(fmt.Sprintf("{\"open\":%q}\n", kind))
			if opened == nil || opened.StatusCode != http.StatusOK {
				b.t.Fatalf("it is not opened: %+v", opened)
			}
			keys, read := make(chan string, 1), make(chan struct{})
			go func() { defer close(read); b.events(opened.Body, keys) }()
			key := <-keys
			done := make(chan struct{})
			posts := strings.Split(script, "\n--\n")
			posts = posts[:min(len(posts), 8)]
			for _, body := range posts {
				body = strings.NewReplacer("$K", key, "$T", access("eve")).Replace(body)
				go func() { // a poll is answered when there is something
					defer func() { done <- struct{}{} }()
					resp := post(body)
					if resp == nil {
						return
					}
					defer func() { _ = resp.Body.Close() }()
					switch resp.Header.Get("Content-Type") {
					case wire.StreamType:
						b.events(resp.Body, make(chan string, 1))
					case wire.ProblemType:
						if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Contains(got, []byte(`"detail":"`)) || resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
							b.t.Errorf("%q is refused with %s, %q", body, resp.Status, got)
						}
					default:
						if resp.StatusCode != http.StatusNoContent {
							b.t.Errorf("%q is answered with %s", body, resp.Status)
						}
					}
				}()
				synctest.Wait()
			}
			cancel()
			for range posts {
				<-done
			}
			_ = opened.Body.Close()
			<-read
			client.CloseIdleConnections()
			succession(b, "article/1")
		})
	})
}

// events judges what a stream says, until it ends, and hands its key on.
func (b *bubble) events(r io.Reader, keys chan<- string) {
	defer close(keys)
	events := wire.NewEvents(r)
	for {
		name, data, err := events.Next()
		if err != nil {
			return
		}
		switch name {
		case wire.EventOpen:
			_, rest, _ := strings.Cut(string(data), `"key":"`)
			key, _, _ := strings.Cut(rest, `"`)
			keys <- key
		case wire.EventMessage:
			if f, err := wire.DecodeReply(data); err != nil || f == nil {
				b.t.Errorf("the stream says %q: %v", data, err)
			}
		case wire.EventClose:
			if !bytes.Contains(data, []byte(`"code":`)) {
				b.t.Errorf("the stream ends by %q", data)
			}
		default:
			b.t.Errorf("the stream has an event %q", name)
		}
	}
}
