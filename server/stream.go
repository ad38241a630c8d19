package server

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/editlock/editlock/wire"
)

var errNobody = errors.New("server: nobody asks for what is to be sent")

// stream is the transport without WebSocket: what is sent are events in the answer to a request, and what arrives comes as
// requests of its own. Where a proxy keeps answers back until they are complete, each of them ends with the first frames in it,
// and the client asks for the next: between two of them the connection has no answer to write to.
type stream struct {
	conn  *conn
	name  string // in the path of all its requests
	key   string // what only its client knows
	polls bool
	bytes *rate.Limiter

	in    sync.Mutex // requests are taken one after the other
	posts int64      // the number of the last that was taken

	mu     sync.Mutex
	polled int64         // the number of the last poll
	asked  bool          // a request is there, or on its way, to be answered
	answer *answer       // what it lends; nil: none now
	came   chan struct{} // closed when there is an answer
	over   chan struct{} // closed when the connection has ended
	ended  bool
}

// answer is what a request lends to the stream to write to.
type answer struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	returned chan struct{} // closed when the stream has no more for it

	mu    sync.Mutex // held while it is written to
	gone  bool       // the request has taken it back
	frame bool       // has one in it
}

func newStream(c *conn, name string, polls bool) *stream {
	n := c.srv.opts.Rate * c.srv.opts.MaxMessage
	return &stream{
		conn: c, name: name, key: rand.Text(), polls: polls, bytes: rate.NewLimiter(rate.Limit(n), 2*n),
		polled: 1, asked: true, came: make(chan struct{}), over: make(chan struct{}),
	}
}

// belongs says whether a key is the client's.
func (s *stream) belongs(key string) bool {
	return subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) == 1
}

func (s *stream) read() { <-s.over }

// stop ends the connection.
func (s *stream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.over)
	}
}

func (s *stream) finish() {
	s.stop()
	s.conn.srv.forgetStream(s)
}

// abort ends a write that is under way too.
func (s *stream) abort() {
	s.stop()
	if a := s.lent(); a != nil {
		_ = a.rc.SetWriteDeadline(time.Now())
	}
}

func (s *stream) lent() *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer
}

// wait waits for an answer to write to, for as long as a client may take to accept a frame, or to answer a ping.
func (s *stream) wait() error {
	s.mu.Lock()
	came := s.came
	s.mu.Unlock()
	select {
	case <-came:
		return nil
	case <-s.over:
		return errNobody
	default:
	}
	late := time.NewTimer(min(s.conn.srv.opts.WriteTimeout, s.conn.srv.opts.PongTimeout))
	defer late.Stop()
	select {
	case <-came:
		return nil
	case <-s.over:
	case <-late.C:
		s.stop()
	}
	return errNobody
}

// use writes to the answer that there is, in the time that a write may take.
func (s *stream) use(write func(*answer) error) error {
	a := s.lent()
	if a == nil {
		return errNobody
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return errNobody
	}
	err := a.rc.SetWriteDeadline(time.Now().Add(s.conn.srv.opts.WriteTimeout))
	if err == nil {
		err = write(a)
	}
	if err != nil {
		s.stop()
	}
	return err
}

func (s *stream) write(frame []byte) error {
	return s.use(func(a *answer) error {
		a.frame = true
		_, err := a.w.Write(wire.AppendEvent(nil, wire.EventMessage, frame))
		return err
	})
}

func (s *stream) pong([]byte) error { return nil } // there are no such pings

func (s *stream) flush() error {
	return s.use(func(a *answer) error {
		err := a.rc.Flush()
		if err == nil && s.polls && a.frame {
			s.giveBack(a)
		}
		return err
	})
}

func (s *stream) end(code uint16, why string) {
	_ = s.use(func(a *answer) error {
		if _, err := a.w.Write(wire.EncodeEvent(wire.EventClose, wire.StreamClose{Code: int(code), Reason: why})); err != nil {
			return err
		}
		s.giveBack(a)
		return a.rc.Flush()
	})
	s.stop()
}

// giveBack ends an answer.
func (s *stream) giveBack(a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer == a {
		s.answer, s.asked = nil, false
		s.came = make(chan struct{})
		close(a.returned)
	}
}

// lend lets the stream write to the answer of a request, and returns when that is over: the stream has no more for it,
// the client has gone, or the connection has ended. So it also is what notices that a client has gone.
func (s *stream) lend(ctx context.Context, w http.ResponseWriter, rc *http.ResponseController) {
	a := &answer{w: w, rc: rc, returned: make(chan struct{})}
	s.mu.Lock()
	s.answer = a
	close(s.came)
	s.mu.Unlock()
	defer func() {
		a.mu.Lock() // a write that is under way ends by its deadline
		a.gone = true
		a.mu.Unlock()
	}()
	select {
	case <-a.returned:
	case <-s.over:
	case <-ctx.Done():
	}
	select {
	case <-a.returned:
		if s.polls {
			_ = rc.SetWriteDeadline(time.Time{}) // of the network connection, which goes on
		}
	default:
		s.stop()
	}
}

// next takes note of a poll, and reports whether it is the one that may come now.
func (s *stream) next(poll int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.polls || s.ended || s.asked || poll != s.polled+1 {
		return false
	}
	s.polled, s.asked = poll, true
	return true
}

// take hands the frames of a request to the connection, unless they were taken before. It reports whether the number
// can be: one may not be left out.
func (s *stream) take(post int64, frames [][]byte, size int) bool {
	s.in.Lock()
	defer s.in.Unlock()
	switch {
	case post > s.posts+1:
		return false
	case post <= s.posts:
		frames = nil
	default:
		s.posts = post
	}
	s.hand(frames, size)
	return true
}

// hand gives frames to the connection, within the bounds of a socket. in is held, or the stream is new.
func (s *stream) hand(frames [][]byte, size int) {
	c := s.conn
	if !s.bytes.AllowN(time.Now(), size) {
		c.close(wire.CloseTooMany, "too many bytes")
	}
	if len(frames) == 0 {
		c.control()
	}
	for _, f := range frames {
		if len(f) > c.srv.opts.MaxMessage {
			c.close(wire.CloseTooBig, "a message is too big")
			return
		}
		c.message(true, f)
	}
}
