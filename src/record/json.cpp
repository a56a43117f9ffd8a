// Boost.JSON compiled once instead of linked, as in client/json.cpp: a linker takes one of the two.
#include <boost/json/src.hpp>
