// Boost.JSON compiled once instead of linked: the package's library would be the only Boost library at run time.
#include <boost/json/src.hpp>
