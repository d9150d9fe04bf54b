Invoice {{ $number }}
