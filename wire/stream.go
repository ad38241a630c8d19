package wire

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
)

// Limits of a stream, the way without WebSocket.
const (
	MaxPost  = 4 * MaxMessage // bytes of a request's body
	maxEvent = 16 << 20       // bytes of an event that a reader takes
)

// StreamType is the media type of a stream's answers.
const StreamType = "text/event-stream"

// The events of a stream.
const (
	EventOpen    = "open"    // StreamOpen
	EventMessage = "message" // a frame
	EventClose   = "close"   // StreamClose
)

// StreamOpen is the data of the first event.
type StreamOpen struct {
	Key string `json:"key"` // proves that later requests are the same client's
}

// StreamClose is the data of the last event.
type StreamClose struct {
	Code   int    `json:"code"`
	Reason string `json:"reason,omitzero"`
}

// StreamHead is the first line of a request: either Open, or Key with Post or Poll.
type StreamHead struct {
	Open string `json:"open,omitzero"` // "stream" or "poll"
	Key  string `json:"key,omitzero"`
	Post int64  `json:"post,omitzero"`
	Poll int64  `json:"poll,omitzero"`
}

func (h StreamHead) check() string {
	opens := h.Open == "stream" || h.Open == "poll"
	asks := h.Key != "" && (h.Post > 0) != (h.Poll > 0) && h.Post >= 0 && h.Poll >= 0
	switch {
	case h.Open != "" && !opens:
		return `"open" must be "stream" or "poll"`
	case opens && (h.Key != "" || h.Post != 0 || h.Poll != 0), !opens && !asks:
		return `it must have either "open", or "key" with one of "post" and "poll", which are numbers from 1`
	}
	return ""
}

// EncodePost writes the body of a request.
func EncodePost(h StreamHead, frames ...[]byte) []byte {
	body, err := json.Marshal(h)
	if err != nil {
		panic(err) // a key is ASCII
	}
	for _, f := range frames {
		body = append(append(body, '\n'), f...)
	}
	return append(body, '\n')
}

// DecodePost reads the body of a request. The frames are parts of it, and are yet to be decoded.
func DecodePost(body []byte) (StreamHead, [][]byte, error) {
	var h StreamHead
	line, rest, _ := bytes.Cut(body, []byte{'\n'})
	if _, err := readHead(line); err != nil {
		return h, nil, fmt.Errorf("the first line is not one JSON object as the protocol wants it: %w", err)
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return h, nil, errors.New("a member of the first line has a value of the wrong kind")
	}
	if why := h.check(); why != "" {
		return h, nil, errors.New("the first line is wrong: " + why)
	}
	var frames [][]byte
	for line := range bytes.SplitSeq(rest, []byte{'\n'}) {
		if len(bytes.TrimSpace(line)) > 0 {
			frames = append(frames, line)
		}
	}
	return h, frames, nil
}

// NewStreamName writes 16 random bytes as the name of a stream.
func NewStreamName(random [16]byte) string { return base64.RawURLEncoding.EncodeToString(random[:]) }

// ValidStreamName says whether a text can be the name of a stream.
func ValidStreamName(s string) bool { return validNonce(s) }

// AppendEvent writes an event. Its data must have no line end, as what Encode gives has none.
func AppendEvent(b []byte, event string, data []byte) []byte {
	b = append(append(b, "event: "...), event...)
	b = append(append(b, "\ndata: "...), data...)
	return append(b, "\n\n"...)
}

// EncodeEvent writes an event whose data is a JSON value, a StreamOpen or StreamClose.
func EncodeEvent(event string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		text = []byte("{}") // text that is not UTF-8: ours is
	}
	return AppendEvent(nil, event, text)
}

// Events reads the events of a stream. Not safe for concurrent use.
type Events struct{ lines *bufio.Scanner }

// NewEvents reads events from an answer.
func NewEvents(r io.Reader) *Events {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxEvent)
	s.Split(eventLines)
	return &Events{s}
}

// Next returns the next event; the error is io.EOF where the answer ends between two events.
func (e *Events) Next() (event string, data []byte, err error) {
	event = EventMessage
	some := false
	for e.lines.Scan() {
		line := e.lines.Bytes()
		if len(line) == 0 {
			if some {
				return event, data, nil
			}
			event = EventMessage
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "event":
			event = string(value)
		case "data":
			if some {
				data = append(data, '\n')
			}
			data, some = append(data, value...), true
		}
	}
	if err = e.lines.Err(); err == nil {
		err = io.EOF
		if some {
			err = io.ErrUnexpectedEOF
		}
	}
	return "", nil, err
}

// eventLines takes a line that is complete. What is left at the end is not.
func eventLines(data []byte, _ bool) (int, []byte, error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return 0, nil, nil
	}
	return i + 1, bytes.TrimSuffix(data[:i], []byte{'\r'}), nil
}
