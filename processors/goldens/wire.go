// Requests written field by field, because the Collector's own types cannot hold a key twice.
package main

import (
	"encoding/binary"
	"math"
)

func varint(value uint64) []byte { return binary.AppendUvarint(nil, value) }

func number(field int, value uint64) []byte {
	return append(varint(uint64(field)<<3), varint(value)...)
}

func fixed(field int, value uint64) []byte {
	return binary.LittleEndian.AppendUint64(varint(uint64(field)<<3|1), value)
}

func text(field int, value string) []byte { return message(field, []byte(value)) }

func message(field int, parts ...[]byte) []byte {
	var content []byte
	for _, part := range parts {
		content = append(content, part...)
	}
	out := append(varint(uint64(field)<<3|2), varint(uint64(len(content)))...)
	return append(out, content...)
}

func join(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = append(out, part...)
	}
	return out
}

// value is an AnyValue of a Go value; []any is a list, pairs is a map in order.
func value(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return text(1, v)
	case bool:
		if v {
			return number(2, 1)
		}
		return number(2, 0)
	case int:
		return number(3, uint64(v))
	case float64:
		return fixed(4, math.Float64bits(v))
	case []any:
		var items []byte
		for _, item := range v {
			items = append(items, message(1, value(item))...)
		}
		return message(5, items)
	case pairs:
		return message(6, v.attributes(1))
	case []byte:
		return message(7, v)
	}
	panic(v)
}

// pairs is keys and values, one after the other.
type pairs []any

func (p pairs) attributes(field int) []byte {
	var out []byte
	for at := 0; at < len(p); at += 2 {
		out = append(out, message(field, text(1, p[at].(string)), message(2, value(p[at+1])))...)
	}
	return out
}
