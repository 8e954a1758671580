// Asio and Beast themselves: with separate compilation, exactly one file contains this.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
