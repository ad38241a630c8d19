package server_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/lxzan/gws"

	"github.com/editlock/editlock/internal/again"
	"github.com/editlock/editlock/wire"
)

// way is how the clients of the tests connect: by WebSocket, or without it, by "stream" or "poll". See TestWithoutWebSocket.
var way = os.Getenv(again.Way)

// line is the client's end of a connection.
type line interface {
	send(text string) error
	close()
}

type socketLine struct{ *gws.Conn }

func (l socketLine) send(text string) error { return l.WriteString(text) }
func (l socketLine) close()                 { _ = l.WriteClose(1000, nil) }

// streamLine speaks section 2.5 of the protocol.
type streamLine struct {
	c      *client
	http   *http.Client
	url    string
	header http.Header
	key    string
	post   int64
	poll   int64 // 0: one answer for all
	queue  chan string
	ctx    context.Context
	stop   context.CancelFunc
	closed atomic.Bool
}

func (l *streamLine) close() { l.stop() }

func (l *streamLine) request(body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(l.ctx, http.MethodPost, l.url, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	r.Header = l.header
	return l.http.Do(r)
}

// dialStream opens a stream without a hello, which follows as the first frame.
func (w *world) dialStream(c *client, h http.Header) (*http.Response, error) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	ctx, stop := context.WithCancel(context.Background())
	l := &streamLine{
		c: c, http: &http.Client{Transport: &http.Transport{DisableCompression: true, DialContext: w.dialer}}, header: h, queue: make(chan string),
		url: "http://" + w.addr + "/v1/stream/" + wire.NewStreamName(random), ctx: ctx, stop: stop,
	}
	open := "stream"
	if way == "poll" {
		open, l.poll = "poll", 1
	}
	w.Cleanup(stop)
	resp, err := l.request(wire.EncodePost(wire.StreamHead{Open: open}))
	if err == nil && resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		err = errors.New(resp.Status)
	}
	if err != nil {
		stop()
		return resp, err
	}
	events := wire.NewEvents(resp.Body)
	name, data, err := events.Next()
	var opened wire.StreamOpen
	if err == nil {
		err = json.Unmarshal(data, &opened)
	}
	if err != nil || name != wire.EventOpen || opened.Key == "" {
		stop()
		return resp, fmt.Errorf("the first event: %s %s %v", name, data, err)
	}
	l.key, c.line = opened.Key, l
	go l.receive(resp.Body, events)
	go l.pump()
	return resp, nil
}

func (w *world) dialer(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", w.addr)
}

func (l *streamLine) end(code uint16) {
	if !l.closed.Swap(true) {
		l.stop()
		l.c.closed <- code
	}
}

func (l *streamLine) receive(body io.ReadCloser, events *wire.Events) {
	for {
		for {
			name, data, err := events.Next()
			if err != nil {
				break
			}
			if name == wire.EventClose {
				var end wire.StreamClose
				if err := json.Unmarshal(data, &end); err != nil {
					l.c.Errorf("close event %s: %v", data, err)
				}
				l.end(uint16(end.Code))
				return
			}
			l.c.received(data)
		}
		_ = body.Close()
		if l.poll == 0 {
			break
		}
		l.poll++
		resp, err := l.request(wire.EncodePost(wire.StreamHead{Key: l.key, Poll: l.poll}))
		if err != nil {
			break
		}
		body, events = resp.Body, wire.NewEvents(resp.Body)
		if resp.StatusCode != http.StatusOK {
			_ = body.Close()
			break
		}
	}
	l.end(wire.CloseAbnormal)
}

func (l *streamLine) send(text string) error {
	select {
	case l.queue <- text:
		return nil
	case <-l.ctx.Done():
		return errors.New("the stream has ended")
	}
}

// pump posts what there is, one request after the other.
func (l *streamLine) pump() {
	for {
		var frames [][]byte
		select {
		case text := <-l.queue:
			frames = append(frames, []byte(text))
		case <-l.ctx.Done():
			return
		}
		for more := true; more && len(frames) < 20; {
			select {
			case text := <-l.queue:
				frames = append(frames, []byte(text))
			default:
				more = false
			}
		}
		l.post++
		resp, err := l.request(wire.EncodePost(wire.StreamHead{Key: l.key, Post: l.post}, frames...))
		if err != nil {
			return
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotFound {
			l.c.Errorf("post %d was answered with %s", l.post, resp.Status)
		}
	}
}
