"""What wrk prints is read in any unit, errors included."""

import pytest

from benchmarks.load import LoadFailed, _read_wrk

SAID = """Running 3s test @ http://127.0.0.1:8000/
  Latency Distribution
     50%  812.00us
     75%    3.00ms
     90%    4.00ms
     99%    1.20s
  9000 requests in 3.00s, 1.20MB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:   3000.00
"""


def test_figures_and_errors_are_read():
    figures = _read_wrk(SAID)

    assert figures == {"requests": 9000, "seconds": 3.0, "errors": 12, "p50": 0.812, "p99": 1200.0}


def test_what_is_no_result_is_told():
    with pytest.raises(LoadFailed, match="unable to connect"):
        _read_wrk("unable to connect to 127.0.0.1:1 Connection refused")
