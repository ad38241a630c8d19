package server

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/editlock/editlock/wire"
)

// serveStream takes every request of a stream: the one that opens it, the frames of its client, and the polls.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-transform")
	h.Add("Vary", "Origin")
	if len(r.Header.Values("Origin")) > 1 {
		s.refuse(w, r, badStream("The header Origin occurs twice."))
		return
	}
	if p := s.checkOrigin(r); p != nil {
		s.refuse(w, r, p)
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
	}
	rc := http.NewResponseController(w)
	body, p := s.readPost(w, r, rc)
	if p != nil {
		s.refuse(w, r, p)
		return
	}
	name := r.PathValue("name")
	head, frames, err := wire.DecodePost(body)
	switch {
	case !wire.ValidStreamName(name):
		s.refuse(w, r, badStream("The name of a stream is 128 random bits in base64url, 22 characters."))
	case err != nil:
		s.refuse(w, r, badStream(sentence(err)))
	case head.Open != "":
		s.openStream(w, r, rc, newcomer{name, head.Open == "poll", frames, len(body)})
	default:
		st := s.streamOf(name)
		if st == nil || !st.belongs(head.Key) {
			s.refuse(w, r, noStream())
			return
		}
		if head.Poll == 0 {
			s.post(w, r, st, head.Post, frames, len(body))
			return
		}
		if !st.next(head.Poll) {
			st.stop() // an answer may have been lost, and what was in it
			s.refuse(w, r, noStream())
			return
		}
		if len(frames) > 0 {
			s.refuse(w, r, badStream("A poll carries no frames. Post them."))
			st.stop()
			return
		}
		s.answerStream(w, r, rc, st, nil)
	}
}

// newcomer is a stream that is to be opened.
type newcomer struct {
	name   string
	polls  bool
	frames [][]byte
	size   int
}

func (s *Server) openStream(w http.ResponseWriter, r *http.Request, rc *http.ResponseController, n newcomer) {
	c, p := s.admit(r)
	if p != nil {
		s.refuse(w, r, p)
		return
	}
	st := newStream(c, n.name, n.polls)
	c.line = st
	if !s.rememberStream(st) {
		c.leave()
		s.refuse(w, r, &wire.Problem{Status: http.StatusConflict, Code: wire.BadHandshake, Detail: "There is a stream of this name already. Take another name for each connection."})
		return
	}
	if !s.adopt(c) {
		s.forgetStream(st)
		c.leave()
		s.refuse(w, r, &wire.Problem{Status: http.StatusServiceUnavailable, Code: wire.ShuttingDown, Detail: "This server is about to stop. Connect again."})
		return
	}
	go c.run()
	if len(n.frames) > 0 { // the hello may also come as the first post
		st.hand(n.frames, n.size)
	}
	s.answerStream(w, r, rc, st, wire.EncodeEvent(wire.EventOpen, wire.StreamOpen{Key: st.key}))
}

// answerStream begins an answer, which is the stream's to go on with.
func (s *Server) answerStream(w http.ResponseWriter, r *http.Request, rc *http.ResponseController, st *stream, first []byte) {
	h := w.Header()
	h.Set("Content-Type", wire.StreamType)
	h.Set("X-Accel-Buffering", "no")
	if !st.polls && r.ProtoMajor == 1 {
		h.Set("Connection", "close") // deadlines of the stream are not for another request
	}
	_ = rc.SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout))
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(first)
	if err == nil {
		err = rc.Flush()
	}
	if err != nil {
		st.stop()
		return
	}
	st.lend(r.Context(), w, rc)
}

func (s *Server) post(w http.ResponseWriter, r *http.Request, st *stream, number int64, frames [][]byte, size int) {
	if !st.take(number, frames, size) {
		s.refuse(w, r, &wire.Problem{Status: http.StatusConflict, Code: wire.BadHandshake, Detail: "A number was left out. Post one request after the other, each with the next number."})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readPost reads the body, in no more time than a hello may take.
func (s *Server) readPost(w http.ResponseWriter, r *http.Request, rc *http.ResponseController) ([]byte, *wire.Problem) {
	if err := rc.SetReadDeadline(time.Now().Add(s.opts.HelloTimeout)); err != nil {
		s.log.Error("streams need an http.ResponseWriter with deadlines; whatever wraps it must have a method Unwrap", "err", err)
		return nil, &wire.Problem{Status: http.StatusInternalServerError, Code: wire.BadHandshake, Detail: "This server cannot serve streams."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(max(wire.MaxPost, s.opts.MaxMessage+wire.MaxMessage))))
	_ = rc.SetReadDeadline(time.Time{})
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return nil, &wire.Problem{Status: http.StatusRequestEntityTooLarge, Code: wire.BadHandshake, Detail: "The body is too big. Send fewer messages in one."}
	case err != nil:
		return nil, badStream("The body did not arrive whole in time.")
	}
	r.Body = http.NoBody // nothing is left of it
	return body, nil
}

func badStream(detail string) *wire.Problem {
	return &wire.Problem{Status: http.StatusBadRequest, Code: wire.BadHandshake, Detail: detail}
}

func noStream() *wire.Problem {
	return &wire.Problem{Status: http.StatusNotFound, Code: wire.NoStream, Detail: "This stream is not here, or has ended. Open another, and resume."}
}

// rememberStream makes a new stream findable, unless there is one of its name.
func (s *Server) rememberStream(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[st.name] != nil {
		return false
	}
	s.streams[st.name] = st
	return true
}

func (s *Server) streamOf(name string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[name]
}

func (s *Server) forgetStream(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[st.name] == st {
		delete(s.streams, st.name)
	}
}
