#include "COctetSearch.h"
