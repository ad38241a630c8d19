package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock/wire"
)

// openTimeout is how long the first event of a stream may take. Beyond it, something between keeps the answer back until it is
// complete: then the client polls.
const openTimeout = 4 * time.Second

// maxQueued is how many frames may wait to be posted.
const maxQueued = 64

// stream is a carrier for where WebSockets do not get through: events as an answer, frames by POST.
type stream struct {
	l      *link
	http   *http.Client
	url    string
	polls  bool
	ctx    context.Context
	cancel context.CancelFunc
	queue  chan []byte
	key    chan string // the server's; arrives once

	// Of the reader.
	first  *http.Response
	events *wire.Events
}

// newHTTP makes what streams ask with.
func newHTTP(o *Options) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: o.Proxy, DialContext: o.Dial, TLSClientConfig: o.TLS.Clone(), TLSHandshakeTimeout: helloTimeout,
			ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// openStream connects l to its server without WebSocket: by a stream of events, or else by long polls. ctx bounds the opening.
func openStream(ctx context.Context, l *link, hello func() ([]byte, error)) (carrier, error) {
	k, err := tryStream(ctx, l, l.s.polls, hello)
	if errors.Is(err, errKeptBack) {
		k, err = tryStream(ctx, l, true, hello)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

var errKeptBack = errors.New("something on the way keeps the answer back")

func tryStream(ctx context.Context, l *link, polls bool, hello func() ([]byte, error)) (*stream, error) {
	var name [16]byte
	_, _ = rand.Read(name[:]) // never fails
	k := &stream{
		l: l, http: l.s.http, url: l.base.JoinPath("v1", "stream", wire.NewStreamName(name)).String(), polls: polls,
		queue: make(chan []byte, maxQueued), key: make(chan string, 1),
	}
	frame, err := hello()
	if err != nil {
		return nil, err
	}
	k.ctx, k.cancel = context.WithCancel(l.s.life)
	limit := openTimeout
	if polls {
		limit = helloTimeout
	}
	var late error
	stop := time.AfterFunc(limit, k.cancel)
	defer stop.Stop()
	defer context.AfterFunc(ctx, k.cancel)()
	head := wire.StreamHead{Open: "stream"}
	if polls {
		head.Open = "poll"
	}
	err = k.begin(head, frame)
	if !stop.Stop() && ctx.Err() == nil && !polls {
		late = errKeptBack
	}
	if err == nil && late == nil && ctx.Err() == nil {
		return k, nil
	}
	k.cancel()
	if k.first != nil {
		_ = k.first.Body.Close()
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case late != nil:
		return nil, late
	}
	return nil, err
}

// begin opens the connection and reads its first event.
func (k *stream) begin(head wire.StreamHead, frame []byte) error {
	resp, err := k.post(k.ctx, head, frame)
	if err != nil {
		return err
	}
	k.first = resp
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	k.events = wire.NewEvents(resp.Body)
	event, data, err := k.events.Next()
	if err != nil {
		return err
	}
	var open wire.StreamOpen
	if event != wire.EventOpen || json.Unmarshal(data, &open) != nil || open.Key == "" {
		return errors.New("what answers there is not editlock")
	}
	k.key <- open.Key
	return nil
}

func (k *stream) post(ctx context.Context, head wire.StreamHead, frames ...[]byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url, bytes.NewReader(wire.EncodePost(head, frames...)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	return k.http.Do(r)
}

// run reads events until the connection ends, and posts meanwhile.
func (k *stream) run() {
	key := <-k.key
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		defer k.cancel()
		k.write(key)
	}()
	code, err := k.read(key)
	k.cancel()
	<-posted
	k.l.ended(code, err)
}

func (k *stream) read(key string) (code int, err error) {
	resp := k.first
	defer func() { _ = resp.Body.Close() }()
	for poll := int64(2); ; poll++ {
		for {
			event, data, err := k.events.Next()
			if errors.Is(err, io.EOF) && k.polls {
				break
			}
			switch {
			case err != nil:
				return wire.CloseAbnormal, err
			case event == wire.EventMessage:
				k.l.received(data)
			case event == wire.EventClose:
				var closed wire.StreamClose
				_ = json.Unmarshal(data, &closed)
				return closed.Code, fmt.Errorf("%s (%d)", closed.Reason, closed.Code)
			}
		}
		_ = resp.Body.Close()
		next, err := k.post(k.ctx, wire.StreamHead{Key: key, Poll: poll})
		if err != nil {
			return wire.CloseAbnormal, err
		}
		if resp = next; resp.StatusCode != http.StatusOK {
			return wire.CloseAbnormal, fmt.Errorf("the server answered %s", resp.Status)
		}
		k.events = wire.NewEvents(resp.Body)
	}
}

// write posts the frames that wait, one request after the other, until one fails.
func (k *stream) write(key string) {
	for number := int64(1); ; number++ {
		var frames [][]byte
		select {
		case f := <-k.queue:
			frames = append(frames, f)
		case <-k.ctx.Done():
			return
		}
		size := len(frames[0])
		for more := true; more && size < wire.MaxPost/2; {
			select {
			case f := <-k.queue:
				frames = append(frames, f)
				size += len(f)
			default:
				more = false
			}
		}
		head := wire.StreamHead{Key: key, Post: number}
		// A second time with the same number: it is done once, however often it arrives.
		err := k.put(head, frames)
		if err != nil {
			err = k.put(head, frames)
		}
		if err != nil {
			return
		}
	}
}

func (k *stream) put(head wire.StreamHead, frames [][]byte) error {
	ctx, cancel := context.WithTimeout(k.ctx, sendTimeout)
	defer cancel()
	resp, err := k.post(ctx, head, frames...)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusNoContent {
		k.cancel() // it would be refused again
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil
}

// send hands a frame to the one who posts. The connection ends if that one is stuck, so this does not block for long.
func (k *stream) send(frame []byte) error {
	select {
	case k.queue <- frame:
		return nil
	case <-k.ctx.Done():
		return errDown
	}
}

func (k *stream) close() { k.cancel() }
